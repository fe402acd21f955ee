// Columns j = (i, dr, dc) of a convolution's weights, by fours, and the pixels of `x` [batch, c_in, height, width] that their
// taps read.

// Four columns of w: where their channel begins in a sample of x, and how far their tap lies from a pixel's origin.
struct Taps {
    begin: vec4<u32>,
    down: vec4<u32>,
    right: vec4<u32>,
}

fn taps(j: vec4<u32>) -> Taps {
    let begin = (j / (params.kh * params.kw)) * (params.height * params.width);
    return Taps(begin, (j / params.kw) % params.kh - params.pad_h, j % params.kw - params.pad_w);
}

// What the four columns read for pixel (r, c) of dst, of the sample that begins at `sample`; zero outside of the image.
fn x_of(sample: u32, r: u32, c: u32, j: Taps) -> vec4<f32> {
    // Above the first row and left of the first column these wrap past every extent.
    let row = r * params.stride_h + j.down;
    let col = c * params.stride_w + j.right;
    let inside = (row < vec4<u32>(params.height)) & (col < vec4<u32>(params.width));
    let at = sample + select(vec4<u32>(0u), j.begin + row * params.width + col, inside);
    let v = vec4<f32>(f32(x[at.x]), f32(x[at.y]), f32(x[at.z]), f32(x[at.w]));
    return select(vec4<f32>(0.0), v, inside);
}
