//! HTML: one self-contained file that reads without scripts and asks for nothing.

use std::collections::BTreeMap;

use crate::hash::sha256;
use data_encoding::BASE64;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, context};
use serde::Serialize;

use crate::error::Error;
use crate::model::{Block, Cell, ControlResult, Provenance, Report};

/// The page of `report`. Everything that comes from the log is escaped by the template engine.
///
/// # Errors
/// The template names what the model does not have: a mistake of ours, found by any test that renders.
pub fn render(report: &Report) -> Result<String, Error> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    let wrong = |e: minijinja::Error| Error::reject(format!("page: {e:#}"));
    env.add_template("report.html", TEMPLATE).map_err(wrong)?;
    let controls: BTreeMap<&str, ControlPage<'_>> =
        report.controls.iter().map(|c| (c.id.as_str(), ControlPage::new(c, report))).collect();
    let page = env.get_template("report.html").map_err(wrong)?;
    let text = page.render(context! {
        r => Serde(report),
        controls => Serde(controls),
        svg => Serde(drawings(report)),
        style => STYLE,
        style_hash => BASE64.encode(&sha256(STYLE.as_bytes())),
    });
    // A line that ends in blanks differs from one that does not, and nobody sees it.
    Ok(text.map_err(wrong)?.lines().flat_map(|line| [line.trim_end(), "\n"]).collect())
}

/// A control with what a page needs beside it.
#[derive(Serialize)]
struct ControlPage<'a> {
    #[serde(flatten)]
    control: &'a ControlResult,
    mark: String,
    source: Provenance,
}

impl<'a> ControlPage<'a> {
    fn new(control: &'a ControlResult, report: &Report) -> Self {
        let mark = Cell::state(control.state).mark.expect("a state has a mark");
        Self { control, mark, source: report.provenance(&format!("control {}", control.id)) }
    }
}

fn drawings(report: &Report) -> BTreeMap<&str, String> {
    let blocks = report.sections.iter().flat_map(|section| &section.blocks);
    let charts = blocks.filter_map(|block| match block {
        Block::Figure { chart, .. } => Some(chart),
        _ => None,
    });
    charts.map(|chart| (chart.id.as_str(), chart.svg())).collect()
}

const TEMPLATE: &str = include_str!("../templates/report.html");
const STYLE: &str = include_str!("../templates/report.css");

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::generate::assemble;
    use crate::testing::{Log, request, targets};

    #[tokio::test]
    async fn a_page_asks_for_nothing_and_takes_nothing_for_markup() {
        let log = Log::new();
        for target in targets() {
            let (files, _) =
                assemble(&request(target), &log.session().await, &log.inputs()).await.unwrap();
            for (path, bytes) in
                files.iter().filter(|(path, _)| path.strip_suffix(".html").is_some())
            {
                let page = std::str::from_utf8(bytes).unwrap();
                check(page).unwrap_or_else(|why| panic!("{path}: {why}"));
            }
        }
    }

    fn check(page: &str) -> Result<(), String> {
        for word in [
            "<script",
            "src=",
            "url(",
            "@import",
            "<iframe",
            "<link",
            "<object",
            "javascript:",
            " on",
            "href=\"http",
            " style=",
        ] {
            let tags = page.split('<').skip(1).filter_map(|tag| tag.split('>').next());
            if tags.map(|tag| format!("<{tag}")).any(|tag| tag.contains(word)) {
                return Err(format!("a tag has `{word}`"));
            }
        }
        if page.contains("url(") || page.contains("@import") {
            return Err("the style refers to something".to_owned());
        }
        for wanted in [
            "default-src 'none'; style-src 'sha256-",
            "<html lang=\"en\">",
            "<main id=\"content\">",
            "href=\"#content\"",
            "evidence, not an opinion",
            "simulated clock",
        ] {
            if !page.contains(wanted) {
                return Err(format!("has no `{wanted}`"));
            }
        }
        if page.contains("<b>") || page.lines().any(|line| line.ends_with(' ')) {
            return Err("text became markup, or a line ends in blanks".to_owned());
        }
        let ids = |name: &str| -> Vec<String> {
            let start = format!(" {name}=\"");
            let pieces = page.split(&start).skip(1);
            pieces.filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
        };
        let mut seen = BTreeSet::new();
        if let Some(twice) = ids("id").into_iter().find(|id| !seen.insert(id.clone())) {
            return Err(format!("id `{twice}` is there twice"));
        }
        let targets =
            ids("href").into_iter().filter_map(|href| href.strip_prefix('#').map(str::to_owned));
        let labels = ids("aria-labelledby");
        let labels = labels.iter().flat_map(|list| list.split(' ')).map(str::to_owned);
        match targets.chain(labels).find(|id| !seen.contains(id)) {
            Some(id) => Err(format!("nothing has id `{id}`")),
            None => Ok(()),
        }
    }
}
