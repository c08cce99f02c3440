//! Markdown: the same report for pull requests and editors.

use crate::error::Error;
use crate::format;
use crate::model::{Block, Cell, ControlResult, ItemView, Provenance, Report, Table};

/// The report as GitHub-flavoured Markdown.
///
/// # Errors
/// A block names a control that was not run.
pub fn render(report: &Report) -> Result<String, Error> {
    let cover = &report.cover;
    let mut out = format!("# {}\n\n{}\n\n", plain(&cover.title), plain(&cover.subtitle));
    if let Some(warning) = &cover.warning {
        format::add(&mut out, format_args!("> **{}**\n\n", plain(warning)));
    }
    let size = cover.size.to_string();
    let period = format!("{}; {}, end exclusive", cover.period, cover.window);
    for (term, value) in [
        ("Entity", cover.entity.as_str()),
        ("Period", &period),
        ("Scope", &cover.scope),
        ("As known at", &cover.as_of),
        ("Log", &cover.origin),
        ("Entries at the checkpoint", &size),
        ("Root", &cover.root),
        ("Controls", &cover.pack),
        ("Report id", &cover.report_id),
        ("Profile", &cover.redaction),
    ] {
        format::add(&mut out, format_args!("- **{term}**: {}\n", plain(value)));
    }
    format::add(&mut out, format_args!("\n{}\n", plain(&cover.disclaimer)));
    for section in &report.sections {
        format::add(
            &mut out,
            format_args!("\n## {} {}\n\n", section.number, plain(&section.title)),
        );
        for block in &section.blocks {
            write_block(&mut out, report, block)?;
        }
    }
    if let Some(warning) = &cover.warning {
        format::add(&mut out, format_args!("\n> **{}**\n", plain(warning)));
    }
    Ok(out)
}

fn write_block(out: &mut String, report: &Report, block: &Block) -> Result<(), Error> {
    match block {
        Block::Text { text } => format::add(out, format_args!("{}\n\n", plain(text))),
        Block::Heading { text, .. } => format::add(out, format_args!("### {}\n\n", plain(text))),
        Block::Facts { rows } => {
            for fact in rows {
                format::add(
                    out,
                    format_args!("- **{}**: {}\n", plain(&fact.term), plain(&fact.value)),
                );
            }
            out.push('\n');
        }
        Block::Figures { items, source } => {
            for f in items {
                format::add(
                    out,
                    format_args!(
                        "- **{}**: {} ({})\n",
                        plain(&f.label),
                        plain(&f.value),
                        plain(&f.note)
                    ),
                );
            }
            out.push('\n');
            write_source(out, Some(source));
        }
        Block::Table(table) | Block::Figure { table, .. } => write_table(out, table),
        Block::Control { id } => {
            let control = report.controls.iter().find(|c| c.id == *id);
            let control =
                control.ok_or_else(|| Error::reject(format!("no control `{id}` was run")))?;
            write_control(out, report, control);
        }
        Block::List { items } => {
            for item in items {
                format::add(out, format_args!("- {}\n", plain(item)));
            }
            out.push('\n');
        }
        Block::Code { caption, text } => write_code(out, caption, text),
        Block::Authored { label } => format::add(out, format_args!("> _{}_\n\n", plain(label))),
    }
    Ok(())
}

fn write_control(out: &mut String, report: &Report, c: &ControlResult) {
    format::add(out, format_args!("### {} {}: {}\n\n", c.id, plain(&c.title), c.state_words));
    format::add(out, format_args!("{}\n\n**{}**\n\n", plain(&c.statement), plain(&c.result)));
    if let Some(note) = &c.note {
        format::add(out, format_args!("{}\n\n", plain(note)));
    }
    format::add(out, format_args!("Test performed: {}\n\n", plain(&c.procedure)));
    let source = report.provenance(&format!("control {}", c.id));
    let reasons =
        c.reasons.iter().map(|r| [r.code.clone(), r.meaning.clone(), r.count.to_string()].to_vec());
    rows(out, &["Reason", "Meaning", "Items"], reasons);
    write_source(out, Some(&source));
    for (caption, items) in
        [("Exceptions", &c.exceptions), ("Exceptions covered by an exemption", &c.exempted)]
    {
        if !items.is_empty() {
            format::add(out, format_args!("{caption}:\n\n"));
            let mut columns = vec!["Item", "At (UTC)", "Reason"];
            columns.extend(c.columns.iter().map(String::as_str));
            columns.push("Log entries");
            rows(out, &columns, items.iter().map(item));
            write_source(out, Some(&source));
        }
    }
    let (ipe, version) = (&c.ipe, &c.version);
    format::add(out, format_args!("- Query: `{}`, SHA-256 `{}`\n", ipe.sql_file, ipe.sql_sha256));
    format::add(
        out,
        format_args!("- All rows: `{}`, SHA-256 `{}`\n", ipe.rows_file, ipe.rows_sha256),
    );
    format::add(out, format_args!("- Parameters: {}\n", ipe.parameters.join(", ")));
    format::add(out, format_args!("- Definition: {} {version}, {}\n\n", c.id, report.cover.tool));
    if !c.exceptions.is_empty() {
        format::add(
            out,
            format_args!(
                "> _Management’s response to the exceptions of {}: text, author, date._\n\n",
                c.id
            ),
        );
    }
}

fn item(i: &ItemView) -> Vec<String> {
    let mut reason = format!("{}: {}", i.reason_code, i.reason);
    if let Some(exemption) = &i.exemption {
        format::add(&mut reason, format_args!(" ({exemption})"));
    }
    let seq: Vec<String> = i.seq.iter().map(i64::to_string).collect();
    let mut cells = vec![i.item_id.clone(), i.at.clone(), reason];
    cells.extend(i.cells.iter().cloned());
    cells.push(seq.join(", "));
    cells
}

fn write_table(out: &mut String, table: &Table) {
    format::add(out, format_args!("**{}**\n\n", plain(&table.caption)));
    if table.rows.is_empty() {
        format::add(out, format_args!("{}\n\n", plain(&table.empty)));
    } else {
        let titles: Vec<&str> = table.columns.iter().map(|h| h.title.as_str()).collect();
        let text = |cell: &Cell| cell.text.clone();
        rows(out, &titles, table.rows.iter().map(|row| row.iter().map(text).collect()));
    }
    write_source(out, table.source.as_ref());
}

fn rows(out: &mut String, titles: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    out.push_str(&line(titles.iter().map(|t| plain(t)).collect()));
    out.push_str(&line(titles.iter().map(|_| "---".to_owned()).collect()));
    for row in rows {
        out.push_str(&line(row.iter().map(|t| plain(t)).collect()));
    }
    out.push('\n');
}

fn write_source(out: &mut String, source: Option<&Provenance>) {
    if let Some(s) = source {
        format::add(
            out,
            format_args!(
                "<sub>{} · {} · checkpoint `{}`</sub>\n\n",
                plain(&s.metric),
                plain(&s.window),
                s.checkpoint
            ),
        );
    }
}

/// A fence longer than any run of backticks in the text.
fn write_code(out: &mut String, caption: &str, text: &str) {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format::add(
        out,
        format_args!("{}:\n\n{fence}\n{}\n{fence}\n\n", plain(caption), text.trim_end()),
    );
}

/// Text that Markdown takes as text: one line, with everything escaped that begins a construct or a tag.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!' => out.extend(['\\', c]),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\n' | '\r' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_a_source_stays_text() {
        assert_eq!(plain("a|b *c*\n<script>"), "a\\|b \\*c\\* &lt;script&gt;");
        assert_eq!(plain("[x](http://y)"), "\\[x\\](http://y)");
        let mut out = String::new();
        write_code(&mut out, "q", "```");
        assert!(out.contains("\n````\n```\n````\n"));
    }
}
