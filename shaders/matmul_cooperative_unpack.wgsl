// dst[at] = src[z, r, c] + shift[r] + addend[at],   at = z batch_step + place(rows, r) + place(columns, c)
//
// The sums of a product in the storage type, without the filling, wherever they belong: axes as in
// matmul_cooperative_pack. A workgroup takes 16 x 16 elements.

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
    shifted: u32,  // 0: shift is bound to something and not read
    added: u32,    // 0: so is addend
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> src: array<f32>;         // [batch, padded_rows, padded_columns]
@group(0) @binding(2) var<storage, read> shift: array<Elem>;      // [rows]
@group(0) @binding(3) var<storage, read> addend: array<Elem>;     // a view [batch, rows, columns]
@group(0) @binding(4) var<storage, read_write> dst: array<Elem>;  // a view [batch, rows, columns]

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let patch_at = patch_of(linear_group(wid, groups), params.rows, params.columns);
    if patch_at.z >= params.batch { return; }
    for (var s = lane; s < PATCH * PATCH; s += WG) {
        let r = patch_at.row + s / PATCH;
        let c = patch_at.column + s % PATCH;
        if r < params.rows && c < params.columns {
            var value = src[(patch_at.z * params.padded_rows + r) * params.padded_columns + c];
            if params.shifted == 1u { value += f32(shift[r]); }
            let at = patch_at.z * params.batch_step + place_in_view(r, c);
            if params.added == 1u { value += f32(addend[at]); }
            dst[at] = Elem(value);
        }
    }
}
