//! The SQL prompt: history, completion of tables and columns, `\d`.

use std::borrow::Cow;

use backtrail_query::Session;
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Editor, Helper, Highlighter, Hinter};
use tokio::runtime::Runtime;

use crate::args::Formatted;
use crate::exit::Failure;
use crate::output::{say, tell};
use crate::rows;

/// Reads statements until the end of input; a statement ends with `;`, a command begins with `\`.
pub(crate) fn run(
    runtime: &Runtime,
    session: &Session,
    formatted: &Formatted,
) -> Result<(), Failure> {
    let mut editor: Editor<Words, DefaultHistory> = Editor::new().map_err(Failure::bug)?;
    editor.set_helper(Some(Words { words: words(runtime, session)? }));
    say(format_args!(
        "{} at size {} · as of {} · \\? for help",
        session.source().origin,
        session.source().size,
        session.as_of()
    ));
    loop {
        let line = match editor.readline("backtrail> ") {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => return Ok(()),
            Err(error) => return Err(Failure::bug(error)),
        };
        let statement = line.trim().trim_end_matches(';').trim_end();
        if statement.is_empty() {
            continue;
        }
        // An entry that cannot be kept costs only the arrow key.
        let _ = editor.add_history_entry(line.trim());
        let sql: Cow<'_, str> =
            match statement.split_once(char::is_whitespace).unwrap_or((statement, "")) {
                ("\\q", _) => return Ok(()),
                ("\\?", _) => {
                    say(HELP);
                    continue;
                }
                ("\\d", "") => TABLES.into(),
                ("\\d", table) => format!("describe {table}").into(),
                _ => statement.into(),
            };
        let answer = runtime.block_on(session.sql(&sql)).map_err(Failure::from);
        match answer.and_then(|answer| rows::print(&answer, formatted)) {
            Ok(()) => {}
            Err(failure) => tell(&failure),
        }
    }
}

const HELP: &str =
    "statements end with `;` · \\d lists tables · \\d TABLE its columns · \\q leaves";

const TABLES: &str = "select table_name from information_schema.tables where table_schema <> 'information_schema' order by 1";

const NAMES: &str = "select table_name as name from information_schema.tables \
                     union select column_name from information_schema.columns order by 1";

fn words(runtime: &Runtime, session: &Session) -> Result<Vec<String>, Failure> {
    let names = runtime.block_on(session.sql(NAMES))?.texts()?;
    Ok(names.into_iter().flatten().flatten().collect())
}

/// Completes names of tables and columns, and reads on until a statement ends.
#[derive(Helper, Highlighter, Hinter)]
struct Words {
    words: Vec<String>,
}

impl Completer for Words {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        pos: usize,
        _: &rustyline::Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let start =
            line[..pos].rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |at| at + 1);
        let begun = &line[start..pos];
        let fitting = self.words.iter().filter(|w| w.starts_with(begun)).cloned();
        Ok((start, fitting.collect()))
    }
}

impl Validator for Words {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let text = context.input().trim();
        let whole = text.is_empty() || text.starts_with('\\') || text.ends_with(';');
        Ok(if whole { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}
