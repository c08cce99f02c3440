//! Writes the files that are made from the column table.

use std::path::Path;

fn main() -> std::io::Result<()> {
    let top =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies below the workspace");
    for (path, content) in backtrail_schemas::docs::generated_files() {
        std::fs::write(top.join(path), content)?;
    }
    Ok(())
}
