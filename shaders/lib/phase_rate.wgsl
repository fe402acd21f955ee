// How the field (Y_c, Y_s) pulls at an angle a = m theta + lag: (sin a, cos a, Y_s cos a - Y_c sin a, its slope in a).
// A field has one row per node or one per sample.
fn pull(i: u32, sample: u32) -> vec4<f32> {
    let direction = sin_cos(params.m * theta[i] + lag[sample]);
    let row = 2u * select(sample, i, params.per_node == 1u);
    let drive = field[row + 1u] * direction.y - field[row] * direction.x;
    let slope = -(field[row + 1u] * direction.x + field[row] * direction.y);
    return vec4<f32>(direction.x, direction.y, drive, slope);
}
