//! Writes the files that are made from the column table and from the table of sources.

use std::path::Path;

fn main() -> std::io::Result<()> {
    let top =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies below the workspace");
    let files = [backtrail_schemas::docs::generated_files(), backtrail_ingest::docs::generated_files()];
    for (path, content) in files.into_iter().flatten() {
        std::fs::write(top.join(path), content)?;
    }
    Ok(())
}
