// A patch of a state of `channels` channels, from `offset` on, into workgroup memory; zero past `dim` and past the last row.
// The kernel's function `of_state` loads an element. Every invocation must call it, from uniform control flow.

fn load_patch(lane: u32, place: PatchPlace, channels: u32, offset: u32) {
    // All loads come before the first use, so that they run at once.
    var values: array<f32, CHANNELS>;
    if params.inner == 1u {
        // Channels are neighbours.
        let c = place.own + lane % CHANNELS;
        let r = lane / CHANNELS;
        let channel = offset + channel_of(place.head, c);
        for (var k = 0u; k < CHANNELS; k++) {
            let n = place.first + r + k * (WG / CHANNELS);
            let there = c < params.dim && n < row_count();
            let value = of_state(select(0u, n * channels + channel, there));
            values[k] = select(0.0, value, there);
        }
        for (var k = 0u; k < CHANNELS; k++) {
            turned[lane % CHANNELS * STRIDE + r + k * (WG / CHANNELS)] = values[k];
        }
    } else {
        let n = place.first + lane;
        let at = state_of(n, channels);
        for (var k = 0u; k < CHANNELS; k++) {
            let c = place.own + k;
            let there = c < params.dim && n < row_count();
            let value = of_state(select(0u, at + (offset + channel_of(place.head, c)) * params.inner, there));
            values[k] = select(0.0, value, there);
        }
        for (var k = 0u; k < CHANNELS; k++) { turned[k * STRIDE + lane] = values[k]; }
    }
    workgroupBarrier();
}
