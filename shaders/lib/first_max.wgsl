// Where the largest of many numbers lies, the first of equals. Numbers are compared by integer keys in their order, in
// which NaN is the largest: it is not lost, and no comparison of floats sees it.

var<workgroup> keys: array<u32, WG>;
var<workgroup> places: array<u32, WG>;

fn order_key(value: f32) -> u32 {
    let bits = bitcast<u32>(value);
    let magnitude = bits & 0x7fffffffu;
    if magnitude > 0x7f800000u { return 0xffffffffu; }
    // Both zeros are 0x80000000; negative numbers lie below, in reverse.
    if bits == magnitude { return 0x80000000u + magnitude; }
    return 0x80000000u - magnitude;
}

// The place of the largest key over the invocations of a workgroup, the smallest place of equals. Every invocation must
// call it, once, from uniform control flow; all get the place.
fn first_max(lane: u32, key: u32, place: u32) -> u32 {
    keys[lane] = key;
    places[lane] = place;
    for (var half = WG / 2u; half > 0u; half = half / 2u) {
        workgroupBarrier();
        if lane < half {
            let other = keys[lane + half];
            let at = places[lane + half];
            if other > keys[lane] || (other == keys[lane] && at < places[lane]) {
                keys[lane] = other;
                places[lane] = at;
            }
        }
    }
    workgroupBarrier();
    return places[0];
}
