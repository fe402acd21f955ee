// A tile of 8 x 8 sums in registers, for kernels that multiply matrices: 16 loads feed 64 multiply-adds, and nothing is
// shared between invocations. `tile[r]` holds row r of columns 0 to 3, `tile[8 + r]` of columns 4 to 7.

const TILE: u32 = 8u;

var<private> tile: array<vec4<f32>, 16>;

// All columns of row r begin at the r-th of 8 numbers.
fn tile_begin(a: vec4<f32>, b: vec4<f32>) {
    tile[0] = vec4<f32>(a.x);
    tile[1] = vec4<f32>(a.y);
    tile[2] = vec4<f32>(a.z);
    tile[3] = vec4<f32>(a.w);
    tile[4] = vec4<f32>(b.x);
    tile[5] = vec4<f32>(b.y);
    tile[6] = vec4<f32>(b.z);
    tile[7] = vec4<f32>(b.w);
    tile[8] = tile[0];
    tile[9] = tile[1];
    tile[10] = tile[2];
    tile[11] = tile[3];
    tile[12] = tile[4];
    tile[13] = tile[5];
    tile[14] = tile[6];
    tile[15] = tile[7];
}

// Adds the products of 8 numbers of the rows (a, b) and 8 of the columns (c, d).
fn tile_add(a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>) {
    tile[0] += a.x * c;
    tile[1] += a.y * c;
    tile[2] += a.z * c;
    tile[3] += a.w * c;
    tile[4] += b.x * c;
    tile[5] += b.y * c;
    tile[6] += b.z * c;
    tile[7] += b.w * c;
    tile[8] += a.x * d;
    tile[9] += a.y * d;
    tile[10] += a.z * d;
    tile[11] += a.w * d;
    tile[12] += b.x * d;
    tile[13] += b.y * d;
    tile[14] += b.z * d;
    tile[15] += b.w * d;
}
