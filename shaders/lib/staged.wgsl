// A tile of SIDE x SIDE sums for a workgroup of 8 x 8 invocations, each of which keeps the 8 x 8 of `tile`. DEEP steps of
// both operands lie in workgroup memory at a time, so that a number that eight invocations need is loaded once.
//
// Invocation `lane` keeps rows r .. r + 3 and r + 32 .. r + 35 with r = staged_row(lane), and likewise columns.

const SIDE: u32 = 64u;
const DEEP: u32 = 8u;
// Four more than a row, so that the steps of a row do not fall into one bank.
const PITCH: u32 = SIDE + 4u;

var<workgroup> left: array<f32, DEEP * PITCH>;   // [step, row]
var<workgroup> right: array<f32, DEEP * PITCH>;  // [step, column]

fn staged_row(lane: u32) -> u32 {
    return (lane / 8u) * 4u;
}

fn staged_column(lane: u32) -> u32 {
    return (lane % 8u) * 4u;
}

fn left_of(at: u32) -> vec4<f32> {
    return vec4<f32>(left[at], left[at + 1u], left[at + 2u], left[at + 3u]);
}

fn right_of(at: u32) -> vec4<f32> {
    return vec4<f32>(right[at], right[at + 1u], right[at + 2u], right[at + 3u]);
}

// Adds what is staged to the tile. Barriers before and after it are the kernel's.
fn multiply_staged(lane: u32) {
    let r = staged_row(lane);
    let c = staged_column(lane);
    for (var step = 0u; step < DEEP; step++) {
        let at = step * PITCH;
        tile_add(left_of(at + r), left_of(at + r + 32u), right_of(at + c), right_of(at + c + 32u));
    }
}
