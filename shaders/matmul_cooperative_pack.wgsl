// packed[z, r, c] = src[z batch_step + place(rows, r) + place(columns, c)] within rows x columns, zero in the rest of
// padded_rows x padded_columns: an operand in the order in which cooperative matrices are loaded.
//
// Element i of an axis lies (i / run) jump + (i % run) step further, so that any view of a tensor is a matrix. A workgroup
// takes 16 x 16 elements: whole sectors of memory are read and written whichever of the two steps is 1.

struct Params {
    batch: u32,
    rows: u32,
    columns: u32,
    padded_rows: u32,
    padded_columns: u32,
    batch_step: u32,
    row_run: u32,
    row_jump: u32,
    row_step: u32,
    column_run: u32,
    column_jump: u32,
    column_step: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> src: array<Elem>;           // a view [batch, rows, columns]
@group(0) @binding(2) var<storage, read_write> packed: array<Elem>;  // [batch, padded_rows, padded_columns]

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let patch_at = patch_of(linear_group(wid, groups), params.padded_rows, params.padded_columns);
    if patch_at.z >= params.batch { return; }
    for (var s = lane; s < PATCH * PATCH; s += WG) {
        let r = patch_at.row + s / PATCH;
        let c = patch_at.column + s % PATCH;
        if r < params.padded_rows && c < params.padded_columns {
            var value = Elem(0.0);
            if r < params.rows && c < params.columns {
                value = src[patch_at.z * params.batch_step + place_in_view(r, c)];
            }
            packed[(patch_at.z * params.padded_rows + r) * params.padded_columns + c] = value;
        }
    }
}
