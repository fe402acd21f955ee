//! `cargo xtask`: what people who build, check or show the library run.

fn main() -> std::process::ExitCode {
    xtask::main()
}
