//! Writes what is made from the story's tables of facts: `cargo run -p backtrail-samples --example story`.

use std::fs;
use std::path::Path;

use backtrail_samples::{answers, story};

fn main() -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("story");
    for (file, text) in story::deliveries() {
        fs::write(folder.join("deliveries").join(file), text)?;
    }
    let document = folder.join("ANSWERS.md");
    let written = fs::read_to_string(&document)?;
    fs::write(document, answers::with_marks(&written, &story::marks()))
}
