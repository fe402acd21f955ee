// A patch in workgroup memory to a state of `channels` channels, from `offset` on. The kernel's function `to_state` stores
// an element. Every invocation must call it, from uniform control flow.

fn store_patch(lane: u32, place: PatchPlace, channels: u32, offset: u32) {
    workgroupBarrier();
    if params.inner == 1u {
        // Channels are neighbours.
        let c = place.own + lane % CHANNELS;
        let channel = offset + channel_of(place.head, c);
        for (var k = 0u; k < CHANNELS; k++) {
            let r = lane / CHANNELS + k * (WG / CHANNELS);
            let n = place.first + r;
            if c < params.dim && n < row_count() {
                to_state(n * channels + channel, turned[lane % CHANNELS * STRIDE + r]);
            }
        }
    } else {
        let n = place.first + lane;
        let at = state_of(n, channels);
        for (var k = 0u; k < CHANNELS; k++) {
            let c = place.own + k;
            if c < params.dim && n < row_count() {
                to_state(at + (offset + channel_of(place.head, c)) * params.inner, turned[k * STRIDE + lane]);
            }
        }
    }
}
