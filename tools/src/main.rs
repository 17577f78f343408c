//! The `tickspin` program: one command a file, each in `tickspin_tools::cmd`.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    tickspin_tools::main()
}
