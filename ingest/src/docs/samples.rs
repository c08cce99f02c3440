//! The table of `docs/sources.md` about our own samples: how many there are of each source, and what they give.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use crate::context::Context;
use crate::error::Error;
use crate::run::{Options, dry_run};
use crate::table::sources;

/// One row per source. `samples` has a folder for each.
pub(super) fn table(samples: &Path) -> Result<String, Error> {
    let mut table = String::from(HEAD);
    for source in sources() {
        let options = Options {
            paths: vec![samples.join(source.name)],
            source: None,
            context: Context::file(),
            publish_first: false,
        };
        let mut given: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let totals = dry_run(&options, &mut std::io::empty(), &mut |_, mapped| {
            for event in mapped.drafts.iter().map(|draft| &draft.event) {
                let text = |column| event.text(column).unwrap_or_default().to_owned();
                given.entry(text("kind")).or_default().insert(text("phase"));
            }
            Ok::<(), Error>(())
        })?;
        let phases = |(kind, phases): (String, BTreeSet<String>)| {
            format!("{kind}: {}", Vec::from_iter(phases).join(", "))
        };
        let given: Vec<String> = given.into_iter().map(phases).collect();
        let _ = writeln!(
            table,
            "| `{}` | {} | {} | {} | {} | {} |",
            source.name,
            totals.deliveries,
            totals.events,
            totals.quarantined,
            totals.ignored,
            given.join("; ")
        );
    }
    Ok(table)
}

const HEAD: &str = "
## Our samples

What `backtrail ingest --dry-run` makes of `ingest/tests/samples`, each folder recognised by itself. Among them are deliveries
that must be quarantined or ignored. A source gives the kinds and phases in the last column and no others, but `native` and
`otlp` give any event, and `cloudevents` what is in it.

| source | deliveries | events | quarantined | ignored | kinds and phases |
|---|---|---|---|---|---|
";
