//! Maps every delivery below the given paths without a ledger, and prints per file what became of it.
//!
//! `cargo run -p backtrail-ingest --example map -- [--events] PATH…`

use std::collections::BTreeMap;
use std::path::PathBuf;

use backtrail_ingest::{Context, Error, read};

#[expect(clippy::print_stdout, reason = "printing is what this tool is for")]
fn main() -> Result<(), Error> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let verbose = arguments.first().is_some_and(|a| a == "--events");
    if verbose {
        arguments.remove(0);
    }
    let paths: Vec<PathBuf> = arguments.iter().map(PathBuf::from).collect();
    let context = Context::file();
    let (mut deliveries, mut events, mut quarantined, mut ignored) = (0, 0, 0, 0);
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    read::deliveries(&paths, None, &mut std::io::stdin(), &mut |found: read::Found| {
        let (delivery, mapped) = found.mapped(&context);
        deliveries += 1;
        events += mapped.drafts.len();
        quarantined += usize::from(!mapped.rejects.is_empty());
        ignored += usize::from(mapped.ignored.is_some());
        for draft in &mapped.drafts {
            let text = |column| draft.event.text(column).unwrap_or("-");
            println!("event\t{}\t{}/{}", delivery.origin, text("kind"), text("phase"));
            if verbose {
                println!("{draft:#?}");
            }
        }
        for reject in &mapped.rejects {
            *reasons.entry(reject.code.to_string()).or_default() += 1;
            println!("reject\t{}\t{}", reject.code, reject.reason);
        }
        if let Some(why) = &mapped.ignored {
            println!("ignored\t{}\t{why}", delivery.origin);
        }
        Ok::<(), Error>(())
    })?;
    println!(
        "deliveries {deliveries} events {events} quarantined {quarantined} ignored {ignored} {reasons:?}"
    );
    Ok(())
}
