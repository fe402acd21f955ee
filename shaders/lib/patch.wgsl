// Patches of PATCH x PATCH elements that cover a batch of matrices, one for a workgroup.

const PATCH: u32 = 16u;

struct PatchPlace {
    z: u32,
    row: u32,     // of the first element
    column: u32,
}

fn patch_of(group: u32, rows: u32, columns: u32) -> PatchPlace {
    let across = (columns + PATCH - 1u) / PATCH;
    let down = (rows + PATCH - 1u) / PATCH;
    return PatchPlace(group / (across * down), ((group / across) % down) * PATCH, (group % across) * PATCH);
}

// Where element (r, c) of a view lies, see matmul_cooperative_pack.
fn place_in_view(r: u32, c: u32) -> u32 {
    let row = (r / params.row_run) * params.row_jump + (r % params.row_run) * params.row_step;
    return row + (c / params.column_run) * params.column_jump + (c % params.column_run) * params.column_step;
}
