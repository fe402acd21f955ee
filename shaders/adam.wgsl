// One step of Adam, in place, on parameters p, first moments m and second moments v:
//   g = clip grads (+ decay p)                      clip = min(1, max_norm / (norm + 1e-6)); L2 decay
//   m = beta1 m + (1 - beta1) g
//   v = beta2 v + (1 - beta2) g^2
//   p = (shrink) p - rate m / (root sqrt(v) + eps)  rate = lr / (1 - beta1^t), root = 1 / sqrt(1 - beta2^t)
// Decoupled decay (AdamW) multiplies p by 1 - lr decay and leaves g alone. The host computes every coefficient in f64.
//
// One invocation per parameter.

// As clip_grad_norm_ of PyTorch has it.
const CLIP_EPS: f32 = 1e-6;

struct Params {
    len: u32,
    clips: u32,     // 0: square and max_norm are not read
    max_norm: f32,
    beta1: f32,
    rest1: f32,     // 1 - beta1
    beta2: f32,
    rest2: f32,     // 1 - beta2
    decay: f32,     // what g gets of p: 0 if the decay is decoupled
    shrink: f32,    // what p keeps: 1 if it is not
    rate: f32,
    root: f32,
    eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> grads: array<f32>;        // [len]
@group(0) @binding(2) var<storage, read> square: array<f32>;       // [1], the squared norm of all gradients
@group(0) @binding(3) var<storage, read_write> state: array<f32>;  // [3, len]: p, m, v

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = linear_index(gid, groups);
    if i >= params.len { return; }
    var g = grads[i];
    if params.clips == 1u { g *= min(1.0, params.max_norm / (sqrt(square[0]) + CLIP_EPS)); }
    let p = state[i];
    g += params.decay * p;
    let m = params.beta1 * state[params.len + i] + params.rest1 * g;
    let v = params.beta2 * state[2u * params.len + i] + params.rest2 * (g * g);
    state[i] = params.shrink * p - params.rate * (m / (params.root * sqrt(v) + params.eps));
    state[params.len + i] = m;
    state[2u * params.len + i] = v;
}
