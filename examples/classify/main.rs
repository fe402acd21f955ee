//! x
mod calibration;
mod corruption;
mod data;
mod report;
fn main() {}
