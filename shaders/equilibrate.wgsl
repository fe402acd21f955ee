// dst = x after steps of dx/dt = P_x h with a constant field h, until |x - u| <= tolerance, u = h/|h|
//
// One invocation per oscillator. The field is constant, so an oscillator never leaves the plane of its start and the
// field: with x = c u + s w, w the unit vector of x - (x . u) u, the steps act on (c, s) alone and N enters at both ends.
// What is divided by its own norm after each step does not gather rounding errors off the sphere.

const EXACT: u32 = 0u;
const EULER: u32 = 1u;        // projected Euler and a division by the norm
const RUNGE_KUTTA: u32 = 2u;  // of fourth order, and a division by the norm

struct Params {
    count: u32,
    n: u32,
    steps: u32,  // at most
    method: u32,
    dt: f32,
    tolerance: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;            // [count, n]
@group(0) @binding(2) var<storage, read> h: array<Elem>;            // [count, n]
@group(0) @binding(3) var<storage, read_write> dst: array<Elem>;    // [count, n]
@group(0) @binding(4) var<storage, read_write> taken: array<f32>;   // [count]
@group(0) @binding(5) var<storage, read_write> apart: array<f32>;   // [count]

// dt P_x h at (c, s), a = dt |h|.
fn slope(p: vec2<f32>, a: f32) -> vec2<f32> {
    return vec2<f32>(a * (1.0 - p.x * p.x), -a * (p.x * p.y));
}

// One step before the division by the norm.
fn advance(p: vec2<f32>, a: f32) -> vec2<f32> {
    if params.method == EULER { return p + slope(p, a); }
    if params.method == RUNGE_KUTTA {
        let k1 = slope(p, a);
        let k2 = slope(p + 0.5 * k1, a);
        let k3 = slope(p + 0.5 * k2, a);
        let k4 = slope(p + k3, a);
        return p + (k1 + 2.0 * (k2 + k3) + k4) / 6.0;
    }
    // tan(phi/2) shrinks by exp(-a). The half angle is taken where nothing cancels, and exp(-a) kept from vanishing, so
    // that the antipode stays where it is.
    var q = select(vec2<f32>(p.y, 1.0 - p.x), vec2<f32>(1.0 + p.x, p.y), p.x > 0.0);
    q.y *= exp(-min(a, 80.0));
    q = q / max(abs(q.x), abs(q.y));
    return vec2<f32>(q.x * q.x - q.y * q.y, 2.0 * (q.x * q.y));
}

fn length_of(p: vec2<f32>) -> f32 {
    let largest = max(abs(p.x), abs(p.y));
    let q = p / max(largest, NORM_TINY);
    return largest * sqrt(dot(q, q));
}

// |x - u|, near u without a difference of nearly equal numbers. A long step passes u, and s changes its sign.
fn apart_of(p: vec2<f32>) -> f32 {
    if p.x > 0.0 { return abs(p.y) * sqrt(2.0 / (1.0 + p.x)); }
    return length_of(vec2<f32>(1.0 - p.x, p.y));
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = linear_index(gid, groups);
    if i >= params.count { return; }
    let base = i * params.n;

    var largest = 0.0;
    for (var k = 0u; k < params.n; k++) { largest = max(largest, abs(f32(h[base + k]))); }
    let divisor = max(largest, NORM_TINY);
    var square = 0.0;
    for (var k = 0u; k < params.n; k++) {
        let scaled = f32(h[base + k]) / divisor;
        square += scaled * scaled;
    }
    let norm = norm_of(largest, square);
    var p = vec2<f32>();
    for (var k = 0u; k < params.n; k++) {
        p.x += f32(x[base + k]) * ((f32(h[base + k]) / norm.largest) * norm.stretch);
    }
    let start = p.x;
    square = 0.0;
    for (var k = 0u; k < params.n; k++) {
        let across = f32(x[base + k]) - start * ((f32(h[base + k]) / norm.largest) * norm.stretch);
        square += across * across;
    }
    p.y = sqrt(square);
    let width = p.y;

    // A field below the clamp has no direction and moves nothing.
    let a = select(params.dt * (norm.largest / norm.stretch), 0.0, norm.clamped == 1u);
    var from_u = apart_of(p);
    var n = 0u;
    while n < params.steps && from_u > params.tolerance {
        let next = advance(p, a);
        p = next / length_of(next);
        from_u = apart_of(p);
        n++;
    }
    // A start on the axis of the field has no direction across it.
    let stretch = select(0.0, p.y / width, width > 0.0);
    for (var k = 0u; k < params.n; k++) {
        let u = (f32(h[base + k]) / norm.largest) * norm.stretch;
        dst[base + k] = Elem(p.x * u + stretch * (f32(x[base + k]) - start * u));
    }
    taken[i] = f32(n);
    apart[i] = from_u;
}
