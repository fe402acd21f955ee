// dst[sample, e] = Philox(key = seed, counter = (e / 4, first_sample + sample, step, stream)), word e % 4,
// as a uniform number in [0, 1) (top 24 bits) or as a standard normal (Box-Muller within the block).
//
// One invocation per element.

struct Params {
    samples: u32,
    run: u32,  // elements of one sample
    seed_low: u32,
    seed_high: u32,
    first_sample: u32,
    step: u32,
    stream: u32,
    distribution: u32,  // 0: uniform, 1: Gaussian
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> dst: array<Elem>;  // [samples, run]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = linear_index(gid, groups);
    if i >= params.samples * params.run { return; }
    let sample = i / params.run;
    let e = i % params.run;
    let counter = vec4<u32>(e / 4u, params.first_sample + sample, params.step, params.stream);
    let block = philox(counter, vec2<u32>(params.seed_low, params.seed_high));
    if params.distribution == 1u {
        dst[i] = Elem(gaussian(block, e % 4u));
    } else {
        dst[i] = Elem(f32(block[e % 4u] >> 8u) * 5.960464477539063e-08);  // 2^-24
    }
}
