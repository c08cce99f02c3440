//! Writes the story's recorded deliveries from its tables of facts: `cargo run -p backtrail-samples --example story`.

use std::fs;
use std::path::Path;

fn main() -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("story/deliveries");
    fs::create_dir_all(&folder)?;
    for (file, text) in backtrail_samples::story::deliveries() {
        fs::write(folder.join(file), text)?;
    }
    Ok(())
}
