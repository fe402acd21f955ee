// Philox 4x32-10 (Salmon et al., SC 2011): a keyed bijection of 128-bit counters.

// High and low word of a 32 x 32 bit product, from products of 16-bit halves.
fn multiply_wide(a: u32, b: u32) -> vec2<u32> {
    let a_low = a & 0xFFFFu;
    let a_high = a >> 16u;
    let b_low = b & 0xFFFFu;
    let b_high = b >> 16u;
    let low = a_low * b_low;
    let middle = a_high * b_low + (low >> 16u);
    let other = a_low * b_high + (middle & 0xFFFFu);
    return vec2<u32>(a_high * b_high + (middle >> 16u) + (other >> 16u), a * b);
}

fn philox(counter: vec4<u32>, key: vec2<u32>) -> vec4<u32> {
    var c = counter;
    var k = key;
    for (var round = 0u; round < 10u; round++) {
        let a = multiply_wide(0xD2511F53u, c.x);
        let b = multiply_wide(0xCD9E8D57u, c.z);
        c = vec4<u32>(b.x ^ c.y ^ k.x, b.y, a.x ^ c.w ^ k.y, a.y);
        k = k + vec2<u32>(0x9E3779B9u, 0xBB67AE85u);
    }
    return c;
}
