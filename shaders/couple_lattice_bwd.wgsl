// theta_bar[p] = strength[b] sum_{dr, dc} (w[-dr, -dc] rate_bar[q] cos(theta[p] - theta[q] - lag[b])
//                                          - w[dr, dc] rate_bar[p] cos(theta[q] - theta[p] - lag[b]))
// where q is the place that p sees at the tap (dr, dc), and w[-dr, -dc] that of the tap at which q sees p.
//
// One invocation per sample and place, a gather: no two invocations write one element.

struct Params {
    len: u32,  // batch * height * width
    height: u32,
    width: u32,
    kh: u32,
    kw: u32,
    periodic: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> theta: array<f32>;            // [batch, height, width]
@group(0) @binding(2) var<storage, read> weights: array<f32>;          // [kh, kw]
@group(0) @binding(3) var<storage, read> strength: array<f32>;         // [batch]
@group(0) @binding(4) var<storage, read> lag: array<f32>;              // [batch]
@group(0) @binding(5) var<storage, read> rate_bar: array<f32>;         // [batch, height, width]
@group(0) @binding(6) var<storage, read_write> theta_bar: array<f32>;  // [batch, height, width]

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
    let last = params.kh * params.kw - 1u;

    var sum = 0.0;
    for (var dr = 0u; dr < params.kh; dr++) {
        let row = neighbour(r, dr, params.kh / 2u, params.height, periodic);
        if row >= params.height { continue; }
        for (var dc = 0u; dc < params.kw; dc++) {
            let col = neighbour(c, dc, params.kw / 2u, params.width, periodic);
            if col >= params.width { continue; }
            let q = b * plane + row * params.width + col;
            let tap = dr * params.kw + dc;
            let sent = rate_bar[q] * sin_cos(theta[index] - (theta[q] + lag[b])).y;
            let received = rate_bar[index] * sin_cos(theta[q] - (theta[index] + lag[b])).y;
            sum += weights[last - tap] * sent;
            sum -= weights[tap] * received;
        }
    }
    theta_bar[index] = strength[b] * sum;
}
