// dst = sign(x) ln(1 + |x|). One invocation per element.

struct Params {
    len: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;          // [len]
@group(0) @binding(2) var<storage, read_write> dst: array<Elem>;  // [len]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = linear_index(gid, groups);
    if i >= params.len { return; }
    let v = f32(x[i]);
    let size = abs(v);
    // Beyond 1, where the series of ln(1 + x) ends: ln(1 + 1/x) + ln x.
    let inverse = 1.0 / max(size, 1.0);
    let value = select(ln_1p(size), ln_1p(inverse) + log(max(size, 1.0)), size > 1.0);
    dst[i] = Elem(select(value, -value, v < 0.0));
}
