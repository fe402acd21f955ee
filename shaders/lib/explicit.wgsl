// Explicit schemes of 1, 2 or 4 stages: Euler's, Heun's, the classical Runge-Kutta scheme.

// What a stage's rate counts for in the step, and how far ahead along it the next stage is, in steps.
fn weight_of(stage: u32) -> vec2<f32> {
    if params.stages == 1u { return vec2<f32>(1.0, 0.0); }
    if params.stages == 2u { return vec2<f32>(0.5, 1.0); }
    let inner = stage == 1u || stage == 2u;
    return vec2<f32>(select(0.16666667, 0.33333334, inner), select(0.5, 1.0, stage == 2u));
}
