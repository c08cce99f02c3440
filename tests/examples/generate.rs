//! Writes the files that are made from the column table, the table of sources and the control pack.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let top =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies below the workspace");
    let files = [
        backtrail_schemas::docs::generated_files(),
        backtrail_ingest::docs::generated_files(&top.join("ingest/tests/samples"))?,
        backtrail_reports::docs::generated_files(),
    ];
    for (path, content) in files.into_iter().flatten() {
        std::fs::write(top.join(path), content)?;
    }
    Ok(())
}
