// dst[o, d, i] = table[indices[o, i], d], NaN where the index lies past the table.
//
// One invocation per element of dst.

struct Params {
    len: u32,    // elements of dst
    rows: u32,   // of the table
    width: u32,  // channels, D
    inner: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> indices: array<u32>;     // [outer, inner]
@group(0) @binding(2) var<storage, read> table: array<Elem>;      // [rows, width]
@group(0) @binding(3) var<storage, read_write> dst: array<Elem>;  // [outer, width, inner]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let e = linear_index(gid, groups);
    if e >= params.len { return; }
    let i = e % params.inner;
    let d = (e / params.inner) % params.width;
    let o = e / (params.inner * params.width);
    let index = indices[o * params.inner + i];
    if index < params.rows {
        dst[e] = table[index * params.width + d];
    } else {
        // All ones in the exponent and a bit of the fraction: NaN whatever the index is.
        dst[e] = Elem(bitcast<f32>(0x7fc00000u | index));
    }
}
