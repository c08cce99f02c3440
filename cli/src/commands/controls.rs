//! `controls`: the pack as data.

use backtrail_reports::{pack, statement};

use crate::args::Controls;
use crate::exit::{Failure, NO, usage};
use crate::output::Out;
use crate::rows;

/// `controls list|show|lint`
pub(crate) fn controls(what: &Controls) -> Result<(), Failure> {
    let pack = pack::core();
    match what {
        Controls::List(formatted) => {
            let rows =
                pack.controls.iter().map(|c| [c.id.clone(), c.title.clone(), c.statement.clone()]);
            rows::print(&rows::of_texts(["control", "title", "statement"], rows), formatted)
        }
        Controls::Show { id } => {
            let control = pack.control(id).map_err(|e| {
                usage(Failure::from(e).hint("`backtrail controls list` prints them all"))
            })?;
            let mut out = Out::new();
            out.line(format_args!(
                "{} {}\n\n{}\n\n{}\n",
                control.id, control.title, control.statement, control.procedure
            ))?;
            out.line(control.sql.trim_end())?;
            out.finish()
        }
        Controls::Lint => {
            let wrong: Vec<String> = pack.controls.iter().flat_map(statement::lint).collect();
            let mut out = Out::new();
            for line in &wrong {
                out.line(line)?;
            }
            out.line(format_args!("{} controls, {} findings", pack.controls.len(), wrong.len()))?;
            out.finish()?;
            if wrong.is_empty() { Ok(()) } else { Err(Failure::silent(NO)) }
        }
    }
}
