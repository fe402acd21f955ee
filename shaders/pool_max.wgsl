// dst[b, c] = max of the plane [b, c, ..], NaN if it holds one
//
// One workgroup per plane: each lane strides, then a tree.

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
    let base = group * params.plane;
    // Below the key of every number, and past every plane: lanes without an element never win.
    var best = 0u;
    var place = params.plane;
    if group < params.planes {
        for (var j = lane; j < params.plane; j += WG) {
            let key = order_key(f32(x[base + j]));
            if key > best {
                best = key;
                place = j;
            }
        }
    }
    let first = first_max(lane, best, place);
    if lane == 0u && group < params.planes {
        dst[group] = x[base + first];
    }
}
