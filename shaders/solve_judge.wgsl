// What becomes of each sample of a fixed-point iteration, from the sums of solve_residual:
//   residual = |G| / max(|F|, floor), or |first F| in place of |F|;  running, or how it ended;  the coefficients of the next state:
//   (H + shift I) z = 1,  alpha = z / sum z,   H_ij = <G_i, G_j> / h,  h = trace / filled,  shift = relative + absolute / h
// by Cholesky; where a pivot is not positive, the newest pair alone. Of a secant method, whose ring holds its last steps s_j
// in the slots before G, in their order:
//   z = G;  z += s_{j+1} q_j  with  q_j = <s_j, z> / |s_j|^2,  oldest first, but for the newest step, whose successor is
//   s = z / (1 - q);  where |1 - q| < LEAST, the steps are forgotten and s = G
// and the Gram matrix is that of the steps. A sample that ended never runs again.
//
// One invocation per sample. Everything that a sample carries is in its record:
//   0 status, 1 iterations, 2 residual, 3 best residual, 4 detail of the status, 5 first |G|, 6 first |F|,
//   7 best residual when patience was last looked at, 8 slot of the oldest step, 9.. the last 64 residuals,
//   73.. the Gram matrix, of steps its lower triangle
// and what solve_mix or solve_secant does in its coefficients: alpha [window], advances, is best, is anchor.

const RUNNING: f32 = 0.0;
const CONVERGED: f32 = 1.0;
const EXHAUSTED: f32 = 2.0;
const DIVERGED: f32 = 3.0;
const NON_FINITE: f32 = 4.0;
const STAGNATED: f32 = 5.0;
const CYCLE: f32 = 6.0;

const HISTORY: u32 = 64u;
const GRAM: u32 = 73u;
const MOST: u32 = 8u;    // pairs of a mixture
const SLOTS: u32 = 32u;  // of a secant method's ring
const ANCHORS: u32 = 8u; // iterations from one anchor to the next
// A best residual above this share of an earlier one has not moved.
const STILL: f32 = 0.999;
// The least size of the share of a secant update that keeps the matrix invertible.
const LEAST: f32 = 0.1;

struct Params {
    samples: u32,
    window: u32,
    filled: u32,
    slot: u32,
    iteration: u32,
    least: u32,       // the first iteration that may be the last
    last: u32,        // the iteration at which everything ends
    memoryless: u32,  // 1: the next state is a function of this one, so a repeated state is a cycle
    patience: u32,    // iterations, 0: endless
    to_first: u32,    // 1: residuals are relative to the first |F|
    secant: u32,      // 1: the ring holds steps
    tolerance: f32,
    floor: f32,
    divergence: f32,
    relative: f32,
    absolute: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> sums: array<f32>;                // [samples, 4 + window]
@group(0) @binding(2) var<storage, read_write> record: array<f32>;        // [samples, 73 + window * window]
@group(0) @binding(3) var<storage, read_write> coefficients: array<f32>;  // [samples, window + 3]

// alpha in z; false where the matrix is not positive.
fn mixture(gram: u32, z: ptr<function, array<f32, SLOTS>>) -> bool {
    let n = params.filled;
    var trace = 0.0;
    for (var i = 0u; i < n; i++) { trace += record[gram + i * params.window + i]; }
    let h = trace / f32(n);
    if h <= 0.0 { return false; }
    let shift = params.relative + params.absolute / h;
    var lower: array<f32, MOST * MOST>;
    for (var i = 0u; i < n; i++) {
        for (var j = 0u; j <= i; j++) {
            var s = record[gram + i * params.window + j] / h;
            if i == j { s += shift; }
            for (var k = 0u; k < j; k++) { s -= lower[i * MOST + k] * lower[j * MOST + k]; }
            if i == j {
                if s <= 0.0 { return false; }
                lower[i * MOST + i] = sqrt(s);
            } else {
                lower[i * MOST + j] = s / lower[j * MOST + j];
            }
        }
    }
    for (var i = 0u; i < n; i++) {
        var s = 1.0;
        for (var k = 0u; k < i; k++) { s -= lower[i * MOST + k] * (*z)[k]; }
        (*z)[i] = s / lower[i * MOST + i];
    }
    var total = 0.0;
    for (var back = 0u; back < n; back++) {
        let i = n - 1u - back;
        var s = (*z)[i];
        for (var k = i + 1u; k < n; k++) { s -= lower[k * MOST + i] * (*z)[k]; }
        (*z)[i] = s / lower[i * MOST + i];
        total += (*z)[i];
    }
    if total <= 0.0 { return false; }
    for (var i = 0u; i < n; i++) { (*z)[i] = (*z)[i] / total; }
    return true;
}

// <ring_i, ring_j> of two steps, i <= j.
fn product(gram: u32, i: u32, j: u32) -> f32 { return record[gram + j * params.window + i]; }

// alpha of the next step, and its row of the Gram matrix; false where there is no step but G.
fn secant(row: u32, dots: u32, alpha: ptr<function, array<f32, SLOTS>>) -> bool {
    let gram = row + GRAM;
    let slot = params.slot;
    let first = u32(record[row + 8u]);
    if first >= slot { return false; }
    (*alpha)[first] = 0.0;
    for (var j = first; j < slot; j++) {
        var along = sums[dots + j];
        for (var i = first; i <= j; i++) { along += (*alpha)[i] * product(gram, i, j); }
        if product(gram, j, j) <= 0.0 { return false; }
        (*alpha)[j + 1u] = along / product(gram, j, j);
    }
    let share = 1.0 - (*alpha)[slot];
    if abs(share) < LEAST { return false; }
    for (var j = first; j < slot; j++) { (*alpha)[j] = (*alpha)[j] / share; }
    (*alpha)[slot] = 1.0 / share;
    var square = (*alpha)[slot] * (*alpha)[slot] * sums[dots + slot];
    for (var i = first; i < slot; i++) {
        var s = (*alpha)[slot] * sums[dots + i];
        for (var j = first; j < slot; j++) { s += (*alpha)[j] * product(gram, min(i, j), max(i, j)); }
        record[gram + slot * params.window + i] = s;
        square += (*alpha)[i] * (s + (*alpha)[slot] * sums[dots + i]);
    }
    record[gram + slot * params.window + slot] = square;
    return square > 0.0;
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let b = linear_index(gid, groups);
    if b >= params.samples { return; }
    let row = b * (GRAM + params.window * params.window);
    let sum = b * (4u + params.window);
    let out = b * (params.window + 3u);
    for (var i = 0u; i < params.window + 3u; i++) { coefficients[out + i] = 0.0; }
    if record[row] != RUNNING { return; }

    record[row + 1u] = f32(params.iteration);
    if sums[sum + 2u] > 0.0 {
        record[row] = NON_FINITE;
        record[row + 4u] = sums[sum + 2u];
        return;
    }
    let norm = sqrt(sums[sum]);
    let size = sqrt(sums[sum + 1u]);
    if params.iteration == 0u {
        record[row + 5u] = norm;
        record[row + 6u] = size;
    }
    let residual = norm / max(select(size, record[row + 6u], params.to_first == 1u), params.floor);
    record[row + 2u] = residual;
    record[row + 9u + params.iteration % HISTORY] = residual;
    if params.iteration == 0u { record[row + 7u] = residual; }
    if residual < record[row + 3u] {
        record[row + 3u] = residual;
        coefficients[out + params.window + 1u] = 1.0;
    }
    let growth = size / max(record[row + 6u], params.floor);
    let is_pause = params.patience > 0u && params.iteration > 0u && params.iteration % max(params.patience, 1u) == 0u;
    var status = RUNNING;
    var detail = 0.0;
    if residual <= params.tolerance {
        status = select(RUNNING, CONVERGED, params.iteration >= params.least);
    } else if norm > params.divergence * record[row + 5u] && growth > params.divergence {
        status = DIVERGED;
        detail = growth;
    } else if params.memoryless == 1u && params.iteration > 0u && sums[sum + 3u] == 0.0 {
        let period = (params.iteration - 1u) % ANCHORS + 1u;
        status = select(CYCLE, STAGNATED, period == 1u);
        detail = f32(period);
    } else if is_pause && record[row + 3u] > STILL * record[row + 7u] {
        status = STAGNATED;
        detail = f32(params.patience);
    } else if params.iteration >= params.last {
        status = EXHAUSTED;
    }
    if is_pause { record[row + 7u] = record[row + 3u]; }
    record[row] = status;
    record[row + 4u] = detail;
    if status != RUNNING { return; }

    coefficients[out + params.window] = 1.0;
    if params.iteration % ANCHORS == 0u { coefficients[out + params.window + 2u] = 1.0; }
    var alpha: array<f32, SLOTS>;
    var mixed = false;
    if params.secant == 1u {
        if params.slot == 0u { record[row + 8u] = 0.0; }
        mixed = secant(row, sum + 4u, &alpha);
        if !mixed {
            record[row + 8u] = f32(params.slot);
            record[row + GRAM + params.slot * (params.window + 1u)] = sums[sum];
        }
    } else if params.window > 1u {
        for (var i = 0u; i < params.filled; i++) {
            record[row + GRAM + params.slot * params.window + i] = sums[sum + 4u + i];
            record[row + GRAM + i * params.window + params.slot] = sums[sum + 4u + i];
        }
        mixed = mixture(row + GRAM, &alpha);
    }
    for (var i = 0u; i < params.filled; i++) {
        coefficients[out + i] = select(select(0.0, 1.0, i == params.slot), alpha[i], mixed);
    }
}
