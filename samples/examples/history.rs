//! Writes a made-up history to standard output: `cargo run -p backtrail-samples --example history -- SEED LINES native|vendor`.

use std::io::Write;

use backtrail_samples::{Shape, generate};

fn main() -> std::io::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number =
        |at: usize, otherwise| words.get(at).and_then(|w| w.parse().ok()).unwrap_or(otherwise);
    let shape =
        if words.get(2).is_some_and(|w| w == "vendor") { Shape::Vendor } else { Shape::Native };
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for line in generate(number(0, 1), number(1, 1_000), shape) {
        writeln!(out, "{line}")?;
    }
    out.flush()
}
