// Places of a lattice as seen from one of them.

// The coordinate at + tap - half of an axis, turned once if the axis is periodic. Where an open axis has no such place this
// is not below the extent: under 0 an unsigned number is past every extent.
fn neighbour(at: u32, tap: u32, half: u32, extent: u32, periodic: bool) -> u32 {
    let place = at + tap - half;
    let turned = select(place - extent, place + extent, at + tap < half);
    return select(place, turned, periodic && place >= extent);
}
