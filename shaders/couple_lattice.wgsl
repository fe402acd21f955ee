// rate[b, r, c] = base[b, r, c] + strength[b] sum_{dr, dc} w[dr, dc] sin(theta[b, r', c'] - theta[b, r, c] - lag[b])
// at r' = r + dr - kh/2, c' = c + dc - kw/2
//
// Places past an open boundary are left out. One invocation per sample and place; samples may share the base.

struct Params {
    len: u32,          // batch * height * width
    height: u32,
    width: u32,
    kh: u32,
    kw: u32,
    periodic: u32,
    base_stride: u32,  // from sample to sample: height * width or 0
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> theta: array<f32>;       // [batch, height, width]
@group(0) @binding(2) var<storage, read> base: array<f32>;        // [height, width] or [batch, height, width]
@group(0) @binding(3) var<storage, read> weights: array<f32>;     // [kh, kw]
@group(0) @binding(4) var<storage, read> strength: array<f32>;    // [batch]
@group(0) @binding(5) var<storage, read> lag: array<f32>;         // [batch]
@group(0) @binding(6) var<storage, read_write> rate: array<f32>;  // [batch, height, width]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    if index >= params.len { return; }
    let plane = params.height * params.width;
    let b = index / plane;
    let place = index % plane;
    let r = place / params.width;
    let c = place % params.width;
    let periodic = params.periodic != 0u;
    let own = theta[index] + lag[b];

    var sum = 0.0;
    for (var dr = 0u; dr < params.kh; dr++) {
        let row = neighbour(r, dr, params.kh / 2u, params.height, periodic);
        if row >= params.height { continue; }
        for (var dc = 0u; dc < params.kw; dc++) {
            let col = neighbour(c, dc, params.kw / 2u, params.width, periodic);
            if col >= params.width { continue; }
            let other = theta[b * plane + row * params.width + col];
            sum += weights[dr * params.kw + dc] * sin_only(other - own);
        }
    }
    rate[index] = base[b * params.base_stride + place] + strength[b] * sum;
}
