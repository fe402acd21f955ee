// One node's drift and its cotangents, for
//   v1 = v + h/2 F/m,   v2 = v1 exp(a),   theta' = theta + h/2 v1 + h/2 v2,   a = -d h/m

struct Drift {
    v1: f32,
    v2: f32,
    push: f32,  // F/m
    keep: f32,  // exp(a)
}

fn drift_of(velocity: f32, force: f32, inertia: f32, damping: f32, h: f32) -> Drift {
    let push = force / inertia;
    let keep = exp(-(damping * h / inertia));
    let v1 = velocity + 0.5 * h * push;
    return Drift(v1, v1 * keep, push, keep);
}

// The cotangents of v1 and v2 from those of theta' and of v2 as a result.
fn drift_bars(theta_bar: f32, velocity_bar: f32, keep: f32, h: f32) -> vec2<f32> {
    let v2_bar = velocity_bar + 0.5 * h * theta_bar;
    return vec2<f32>(0.5 * h * theta_bar + keep * v2_bar, v2_bar);
}
