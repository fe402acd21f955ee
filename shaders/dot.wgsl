// partial[tile] = sum over one tile of a_i b_i; sum_rows adds the partials.
//
// One workgroup per tile of TILE elements: each lane strides, then a tree of fixed shape.

const TILE: u32 = 4096u;

struct Params {
    len: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<Elem>;             // [len]
@group(0) @binding(2) var<storage, read> b: array<Elem>;             // [len]
@group(0) @binding(3) var<storage, read_write> partial: array<f32>;  // [tiles]

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let tile = linear_group(wid, groups);
    let end = min((tile + 1u) * TILE, params.len);
    var sum = 0.0;
    for (var i = tile * TILE + lane; i < end; i += WG) {
        sum += f32(a[i]) * f32(b[i]);
    }
    let total = tree_sum(lane, sum);
    if lane == 0u && tile * TILE < params.len {
        partial[tile] = total;
    }
}
