// Where an invocation that holds one row stands: the first row of its head, the first channel of its block, and its token.
// A workgroup stays within one head and block, so that all its invocations load the same other rows. Tokens past the last
// are of no invocation.
struct Place {
    head: u32,
    own: u32,
    token: u32,
}

fn place_of(group: u32, lane: u32) -> Place {
    let blocks = params.padded / D;
    let parts = (params.tokens + WG - 1u) / WG;
    let block = group / parts;
    return Place(block / blocks * params.tokens, block % blocks * D, group % parts * WG + lane);
}
