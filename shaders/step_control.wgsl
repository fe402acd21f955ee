// What becomes of each sample of an adaptive integration after an attempted step.
//
// q      = - scale square                 mean square of the error estimate, in units of the tolerance's square
// factor = clamp(0.9 q^(-1/10), 1/5, 5)   the estimate grows with the 5th power of the step
// accepted, if q <= 1:  left' = left - tried, next' = next factor, where `tried` was cut to `left` never below `next`
// rejected:             left' = left,         next' = tried min(factor, 1)
// tried' = min(next', left')
//
// One invocation per sample. A sample that has nothing left takes no more steps.

const LEAST: f32 = 0.2;
const MOST: f32 = 5.0;
const SAFETY: f32 = 0.9;
// Below it the factor is the largest one anyway.
const SMALLEST: f32 = 1e-20;

struct Params {
    samples: u32,
    scale: f32,  // 1 / (nodes tolerance^2)
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> square: array<f32>;        // [samples], minus the sum of squares
@group(0) @binding(2) var<storage, read> clock: array<f32>;         // [samples, 3]: left, tried, next
@group(0) @binding(3) var<storage, read_write> dst: array<f32>;     // [samples, 3]
@group(0) @binding(4) var<storage, read_write> taken: array<f32>;   // [samples], the accepted step or 0

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let b = linear_index(gid, groups);
    if b >= params.samples { return; }
    let left = clock[3u * b];
    let tried = clock[3u * b + 1u];
    let next = clock[3u * b + 2u];
    let q = -params.scale * square[b];
    let factor = clamp(SAFETY * exp(-0.1 * log(max(q, SMALLEST))), LEAST, MOST);
    // NaN is not accepted.
    let accepted = q <= 1.0;
    var left_then = left;
    var next_then = tried * min(factor, 1.0);
    if accepted {
        left_then = left - tried;
        // A step that was cut short says little about longer ones.
        next_then = select(tried * factor, max(next, tried * factor), tried < next);
    }
    if left <= 0.0 { next_then = next; }
    dst[3u * b] = left_then;
    dst[3u * b + 1u] = min(next_then, left_then);
    dst[3u * b + 2u] = next_then;
    taken[b] = select(0.0, tried, accepted);
}
