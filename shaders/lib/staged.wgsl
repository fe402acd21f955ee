// A tile of SIDE x SIDE sums for a workgroup of 8 x 8 invocations, each of which keeps the 8 x 8 of `tile`. DEEP steps of
// both operands lie in workgroup memory at a time, so that a number that eight invocations need is loaded once; four
// neighbours are one vector there, so that four loads feed 64 products.
//
// Invocation `lane` keeps rows r .. r + 3 and r + 32 .. r + 35 with r = staged_row(lane), and likewise columns.

const SIDE: u32 = 64u;
const DEEP: u32 = 8u;
// Fours of a step.
const FOURS: u32 = SIDE / 4u;
// One more, so that the steps of a four do not fall into one bank.
const PITCH: u32 = FOURS + 1u;
// Fours of either operand that an invocation stages.
const TURNS: u32 = FOURS * DEEP / WG;

var<workgroup> left: array<vec4<f32>, DEEP * PITCH>;   // [step, rows]
var<workgroup> right: array<vec4<f32>, DEEP * PITCH>;  // [step, columns]

fn staged_row(lane: u32) -> u32 {
    return (lane / 8u) * 4u;
}

fn staged_column(lane: u32) -> u32 {
    return (lane % 8u) * 4u;
}

// First position (x) and step (y) of the four that an invocation stages in a turn: neighbours take neighbouring steps where
// those lie side by side, else neighbouring positions.
fn place(lane: u32, turn: u32, steps_adjoin: bool) -> vec2<u32> {
    let at = lane + WG * turn;
    return select(vec2<u32>(4u * (at % FOURS), at / FOURS), vec2<u32>(4u * (at / DEEP), at % DEEP), steps_adjoin);
}

// The four from `first` on; past the last one the last once more.
fn four_from(first: u32, count: u32) -> vec4<u32> {
    return min(vec4<u32>(first) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(count - 1u));
}

fn stage_left(at: vec2<u32>, v: vec4<f32>) {
    left[at.y * PITCH + at.x / 4u] = v;
}

fn stage_right(at: vec2<u32>, v: vec4<f32>) {
    right[at.y * PITCH + at.x / 4u] = v;
}

// Adds what is staged to the tile. Barriers before and after it are the kernel's.
fn multiply_staged(lane: u32) {
    let r = lane / 8u;
    let c = lane % 8u;
    for (var step = 0u; step < DEEP; step++) {
        let at = step * PITCH;
        tile_add(left[at + r], left[at + r + FOURS / 2u], right[at + c], right[at + c + FOURS / 2u]);
    }
}
