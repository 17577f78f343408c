//! The machine and the program that measured on it: the block that every report carries.

use tickspin_host::facts::Facts;

/// (key, value) in report order: the host's facts, then what this program was built from.
#[must_use]
pub fn facts(host: &Facts) -> Vec<(&'static str, String)> {
    let program = [
        ("compiler", env!("TICKSPIN_RUSTC")),
        ("commit", env!("TICKSPIN_COMMIT")),
        ("build", env!("TICKSPIN_BUILD")),
        ("profile", env!("TICKSPIN_PROFILE")),
    ];
    let program = program.map(|(key, value)| (key, value.to_owned()));
    host.pairs().into_iter().chain(program).collect()
}
