//! `docs/controls.md`, made from the pack so that it cannot say something else.

use std::fmt::Write;

use crate::pack::{Control, Framework, Pack};

/// The files made from the pack: path from the top of the repository, content.
pub fn generated_files() -> Vec<(&'static str, String)> {
    vec![("docs/controls.md", controls(crate::pack::core()))]
}

/// `docs/controls.md`.
fn controls(pack: &Pack) -> String {
    let mut out = format!(
        "{INTRO}\n\nPack `{}` {}, {}.\n",
        pack.head.id, pack.head.version, pack.head.licence
    );
    for control in &pack.controls {
        write_control(&mut out, control);
    }
    out.push_str("\n## Frameworks\n");
    for framework in &pack.frameworks {
        write_framework(&mut out, framework);
    }
    let s = &pack.sampling;
    let _ = write!(
        out,
        "\n## Samples\n\n{} The seed is the auditor's text, `|`, and the root of the checkpoint.\n\n\
         | tested items | drawn |\n|---|---|\n| up to {} | all |\n| fewer than {} | the larger of {} and {} per thousand, rounded up |\n\
         | {} and more | {} |\n",
        s.method, s.all_up_to, s.small_below, s.small_min, s.small_per_mille, s.small_below, s.size,
    );
    out
}

fn write_control(out: &mut String, c: &Control) {
    let _ = write!(
        out,
        "\n## {} {}\n\n{}\n\n- **One item is**: {}\n- **Test**: {}\n- **Reads**: {}\n",
        c.id,
        c.title,
        c.statement,
        c.item,
        c.procedure,
        c.reads.iter().map(|t| format!("`{t}`")).collect::<Vec<_>>().join(", "),
    );
    for (name, p) in &c.parameters {
        let _ = writeln!(
            out,
            "- **Parameter** `{name}` = {} ({} to {}): {}",
            p.default, p.min, p.max, p.meaning
        );
    }
    out.push_str("\n| reason | status | meaning |\n|---|---|---|\n");
    for r in &c.reasons {
        let open = if r.inconclusive { ", control inconclusive" } else { "" };
        let _ = writeln!(out, "| `{}` | {}{open} | {} |", r.code, r.status.word(), r.meaning);
    }
    let _ = writeln!(out, "\nWhat usually helps: {}", c.remediation);
}

fn write_framework(out: &mut String, f: &Framework) {
    let _ = write!(
        out,
        "\n### {}\n\n{}\n\n| requirement | what it asks for | controls | evidence that a person brings |\n|---|---|---|---|\n",
        f.title, f.note
    );
    for r in &f.requirements {
        let level = r.level.as_ref().map(|l| format!(" ({l})")).unwrap_or_default();
        let _ = writeln!(
            out,
            "| {}{level} | {} | {} | {} |",
            r.label(),
            r.statement,
            r.controls.join(", "),
            r.manual.join("; ")
        );
    }
}

const INTRO: &str = "# Controls

This page is made from the control pack in `reports/packs/core/`; `just generate` writes it again.

A control is one SQL query over the views. It returns one row for each item of its population, passes included, with a status
(`pass`, `fail`, `exempt`, `not_applicable`), one reason of a closed list, and the entries of the log that the answer rests on. It
defines the good case; everything else fails, and what is unknown is never good. A second query counts the population; if the
two disagree, or an item is there twice, the control is in error.

What a control comes to: `effective` (something was tested, nothing is an exception), `exceptions`, `not_tested` (nothing could be
tested: an empty population is never a pass), `inconclusive` (the log has a gap, does not verify, or cannot answer for some
item), `error`.

An overlay sets parameters and exempts items, with an approver, a reason, a compensating control and an end within a year. It
never hides what an item came to.";

#[cfg(test)]
mod tests {
    #[test]
    fn generated_files_are_what_the_pack_says() {
        let top = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for (path, wanted) in super::generated_files() {
            let found = std::fs::read_to_string(top.join(path)).unwrap_or_default();
            assert!(found == wanted, "{path} is stale: run `just generate`");
        }
    }
}
