// dst[b, c] = mean of the plane [b, c, ..]
//
// One workgroup per plane: each lane strides, then a tree of fixed shape.

struct Params {
    planes: u32,  // batch * channels
    plane: u32,   // elements of one
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;          // [planes, plane]
@group(0) @binding(2) var<storage, read_write> dst: array<Elem>;  // [planes]

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let group = linear_group(wid, groups);
    var sum = 0.0;
    if group < params.planes {
        for (var j = lane; j < params.plane; j += WG) {
            sum += f32(x[group * params.plane + j]);
        }
    }
    let total = tree_sum(lane, sum);
    if lane == 0u && group < params.planes {
        dst[group] = Elem(total / f32(params.plane));
    }
}
