//! Stamps the program with its build id.

#[path = "../base/build_id.rs"]
mod build_id;

fn main() {
    build_id::emit(std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")));
}
