// Other rows pass through workgroup memory, SHARED of them at a time: what all invocations of a workgroup need is loaded once.
// A head is one block of D channels, and a workgroup keeps to one head.

const SHARED: u32 = 2048u / D;

var<workgroup> shared_one: array<vec4<f32>, SHARED * D4>;
var<workgroup> shared_two: array<vec4<f32>, SHARED * D4>;

// Stages `count` rows from `row` on: the kernel's functions `one` and `two` load four channels of either kind.
fn stage(lane: u32, row: u32, count: u32) {
    workgroupBarrier();
    for (var e = lane; e < count * D4; e += WG) {
        let at = (row + e / D4) * D + 4u * (e % D4);
        shared_one[e] = one(at);
        shared_two[e] = two(at);
    }
    workgroupBarrier();
}
