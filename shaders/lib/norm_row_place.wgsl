// A workgroup that keeps to one row of `params.len` elements, by fours that lie in one channel each.

fn sum_of(v: vec4<f32>) -> f32 {
    return (v.x + v.y) + (v.z + v.w);
}

// Where an invocation stands in its row: the channel, and the position in it. Kept up by additions, since a division of
// integers for each element costs more than all else.
struct RowPlace {
    channel: u32,
    position: u32,
}

fn place_in_row(lane: u32, row: u32) -> RowPlace {
    let first = (row % params.groups) * params.channels;
    return RowPlace(first + (4u * lane) / params.inner, (4u * lane) % params.inner);
}

// The place `round` further, which is as many channels and positions as a round of the workgroup takes.
fn place_beyond(at: RowPlace, round: RowPlace) -> RowPlace {
    var next = RowPlace(at.channel + round.channel, at.position + round.position);
    if next.position >= params.inner {
        next.position -= params.inner;
        next.channel += 1u;
    }
    return next;
}
