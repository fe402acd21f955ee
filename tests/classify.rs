//! The parts of `examples/classify` that need no device: reading data, attacks, corruptions, calibration, the report.

#![allow(dead_code)] // The example uses what these tests do not.

#[path = "../examples/classify/attack.rs"]
mod attack;
#[path = "../examples/classify/calibration.rs"]
mod calibration;
#[path = "../examples/classify/corruption.rs"]
mod corruption;
#[path = "../examples/classify/data.rs"]
mod data;
#[path = "../examples/classify/report.rs"]
mod report;
