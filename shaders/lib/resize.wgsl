// Where pixel `at` of `extent` lies among `source` pixels: (at + 1/2) source / extent - 1/2, at least 0, is
// first + beyond. The numerator over 2 extent is an integer, so first is exact.

struct Place {
    first: u32,
    second: u32,   // first + 1, or first at the last pixel
    beyond: f32,   // weight of second; 0 at the last pixel
}

fn place(at: u32, source: u32, extent: u32) -> Place {
    let numerator = max((2u * at + 1u) * source, extent) - extent;
    let first = min(numerator / (2u * extent), source - 1u);
    if first + 1u >= source { return Place(first, first, 0.0); }
    return Place(first, first + 1u, f32(numerator - first * 2u * extent) / f32(2u * extent));
}
