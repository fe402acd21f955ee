// An invocation that holds four successive rows has D4 matrices, whose columns are channels and whose rows are rows: what
// is loaded of another row then serves all four.

// Where an invocation stands: the first row of its head, and the first of its four rows within the head. A workgroup stays
// within one head, so that all its invocations load the same other rows. Rows past the last are of no invocation.
struct Place {
    head: u32,
    first: u32,
}

fn place_of(group: u32, lane: u32) -> Place {
    let blocks = (params.tokens + 4u * WG - 1u) / (4u * WG);
    return Place(group / blocks * params.tokens, (group % blocks * WG + lane) * 4u);
}

// Row r of the four gets the channels v.
fn with_row(four: mat4x4<f32>, r: u32, v: vec4<f32>) -> mat4x4<f32> {
    let here = vec4<u32>(r) == vec4<u32>(0u, 1u, 2u, 3u);
    return mat4x4<f32>(
        select(four[0], vec4<f32>(v.x), here),
        select(four[1], vec4<f32>(v.y), here),
        select(four[2], vec4<f32>(v.z), here),
        select(four[3], vec4<f32>(v.w), here),
    );
}

fn pick(v: vec4<f32>, r: u32) -> f32 {
    return select(select(v.x, v.y, r == 1u), select(v.z, v.w, r == 3u), r >= 2u);
}

fn row_of(four: mat4x4<f32>, r: u32) -> vec4<f32> {
    return vec4<f32>(pick(four[0], r), pick(four[1], r), pick(four[2], r), pick(four[3], r));
}

// columns[k] = a * b[k]
fn outer(a: vec4<f32>, b: vec4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(a * b.x, a * b.y, a * b.z, a * b.w);
}
