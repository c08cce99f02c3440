//! The answers of the story: numbers that a person worked out from the definitions, with the events that each comes from.
//!
//! `ANSWERS.md` holds fenced blocks of `key: value` lines. [`parse`] reads them; [`Answers::recompute`] looks up every event
//! that a block names and does its arithmetic again, in plain integers, so that a slip of the pen shows and so that a
//! ledger can be held to the same events.

mod formula;

use std::collections::{BTreeMap, BTreeSet};

use backtrail_schemas::Timestamp;

pub use formula::Formula;

/// The answers as written in this version of the story.
pub const ANSWERS: &str = include_str!("../story/ANSWERS.md");

/// What is wrong with a block, or with the events that it names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(pub(crate) String);

/// An event as the ledger has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Column `kind`.
    pub kind: String,
    /// Column `phase`.
    pub phase: String,
    /// Column `occurred_at`.
    pub occurred_at: Timestamp,
}

/// One event that answers refer to by a short name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Column `event_id`.
    pub event_id: String,
    /// What the event is.
    pub fact: Fact,
}

/// A span of time, as one or more pieces; or a single event when there is nothing to measure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What the line calls it.
    pub name: String,
    /// From and to of each piece; both the same for a single event.
    pub pieces: Vec<(Term, Term)>,
}

/// A mark, and how many seconds before or after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// The name of the mark, or `as_of`.
    pub mark: String,
    /// Seconds to add, for a corrected time or the end of a hold.
    pub seconds: i64,
}

/// One number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Unique among the answers.
    pub name: String,
    /// The metric of the product that prints it.
    pub metric: String,
    /// The column of the metrics table.
    pub field: String,
    /// The window and further filters, as `key=value` parts.
    pub filter: BTreeMap<String, String>,
    /// What to do with the items.
    pub formula: String,
    /// What is counted or measured.
    pub items: Vec<Item>,
    /// Those of the items that are the numerator.
    pub hits: Vec<String>,
    /// What is measured up to a point without having ended there.
    pub censored: Vec<Item>,
    /// What the definition leaves out, by reason.
    pub excluded: BTreeMap<String, u64>,
    /// The command that has the product print it, as a person types it with a ledger of the story.
    pub ask: String,
    /// The answer: an integer, or a decimal with six digits.
    pub value: String,
}

/// All blocks of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answers {
    /// When the log ends.
    pub as_of: Timestamp,
    /// The numbers, in the order of the document.
    pub answers: Vec<Answer>,
    /// The events that they name.
    pub marks: BTreeMap<String, Mark>,
}

/// Reads the blocks of a document.
///
/// # Errors
/// A block is not as described in `samples/README.md`: the line is in the message.
pub fn parse(document: &str) -> Result<Answers, Error> {
    let mut out = Answers {
        as_of: Timestamp::from_micros(0).expect("the epoch is in range"),
        answers: Vec::new(),
        marks: BTreeMap::new(),
    };
    let mut block = None;
    for line in document.lines() {
        match (block, line.trim()) {
            (None, "```answer") => {
                block = Some("answer");
                out.answers.push(Answer::default());
            }
            (None, "```marks") => block = Some("marks"),
            (Some(_), "```") => block = None,
            (Some("marks"), line) => mark(&mut out, line)?,
            (Some(_), line) => {
                let answer = out.answers.last_mut().expect("a block began an answer");
                entry(answer, line)?;
            }
            (None, _) => {}
        }
    }
    Ok(out)
}

/// What separates the text that a person wrote from the events that the story's tables give.
const MARKS: &str = "<!-- marks -->\n";

/// The document with its list of events written anew: those of `marks` that a block names.
pub fn with_marks(document: &str, marks: &[(String, Mark)]) -> String {
    let text = document.split(MARKS).next().unwrap_or_default();
    let mut out = format!("{text}{MARKS}\n```marks\nas_of {AS_OF}\n");
    let named: BTreeSet<&str> = text.split([' ', '\n', ',']).collect();
    for (name, mark) in marks.iter().filter(|(name, _)| named.contains(name.as_str())) {
        let Mark { event_id, fact } = mark;
        let line = format!("{name} {event_id} {}/{} {}\n", fact.kind, fact.phase, fact.occurred_at);
        out.push_str(&line);
    }
    out + "```\n"
}

/// When the last row of the story is recorded.
const AS_OF: &str = "2026-09-30T20:00:00.000000Z";

fn bad(line: &str, what: &str) -> Error {
    Error(format!("`{line}` {what}"))
}

fn mark(out: &mut Answers, line: &str) -> Result<(), Error> {
    let cells: Vec<&str> = line.split_whitespace().collect();
    let time = |text: &str| Timestamp::parse_rfc3339(text).map_err(|_| bad(line, "has no instant"));
    match cells.as_slice() {
        ["as_of", at] => out.as_of = time(at)?,
        [name, event_id, what, at] => {
            let (kind, phase) =
                what.split_once('/').ok_or_else(|| bad(line, "has no kind/phase"))?;
            let fact = Fact { kind: kind.into(), phase: phase.into(), occurred_at: time(at)? };
            out.marks.insert((*name).to_owned(), Mark { event_id: (*event_id).to_owned(), fact });
        }
        _ => return Err(bad(line, "is not a mark: name, event id, kind/phase, time")),
    }
    Ok(())
}

fn entry(answer: &mut Answer, line: &str) -> Result<(), Error> {
    let (key, text) = line.split_once(':').ok_or_else(|| bad(line, "is not `key: value`"))?;
    let text = text.trim();
    match key {
        "name" => text.clone_into(&mut answer.name),
        "metric" => text.clone_into(&mut answer.metric),
        "field" => text.clone_into(&mut answer.field),
        "formula" => text.clone_into(&mut answer.formula),
        "ask" => text.clone_into(&mut answer.ask),
        "value" => text.clone_into(&mut answer.value),
        "items" => {
            answer
                .items
                .extend(text.split_whitespace().map(single).collect::<Result<Vec<_>, _>>()?);
        }
        "hits" => answer.hits.extend(text.split_whitespace().map(str::to_owned)),
        "item" => answer.items.push(item(text)?),
        "censored" => answer.censored.push(item(text)?),
        "filter" => {
            for part in text.split_whitespace() {
                let (key, value) =
                    part.split_once('=').ok_or_else(|| bad(line, "filters by key=value"))?;
                answer.filter.insert(key.to_owned(), value.to_owned());
            }
        }
        "excluded" => {
            for part in text.split_whitespace() {
                let count = part.split_once('=').and_then(|(r, n)| Some((r, n.parse().ok()?)));
                let (reason, n) = count.ok_or_else(|| bad(line, "counts reason=n"))?;
                answer.excluded.insert(reason.to_owned(), n);
            }
        }
        _ => return Err(bad(line, "has an unknown key")),
    }
    Ok(())
}

fn single(text: &str) -> Result<Item, Error> {
    let term = term(text)?;
    Ok(Item { name: text.to_owned(), pieces: vec![(term.clone(), term)] })
}

/// `name = from -> to, from -> to`.
fn item(line: &str) -> Result<Item, Error> {
    let (name, spans) =
        line.split_once(" = ").ok_or_else(|| bad(line, "is not `name = from -> to`"))?;
    let piece = |span: &str| {
        let (from, to) = span.split_once(" -> ").ok_or_else(|| bad(line, "has no ` -> `"))?;
        Ok((term(from.trim())?, term(to.trim())?))
    };
    let pieces = spans.split(", ").map(piece).collect::<Result<_, _>>()?;
    Ok(Item { name: name.trim().to_owned(), pieces })
}

/// `mark`, `mark +90s` or `mark -90s`.
fn term(text: &str) -> Result<Term, Error> {
    let Some((mark, shift)) = text.split_once(' ') else {
        return Ok(Term { mark: text.to_owned(), seconds: 0 });
    };
    let seconds = shift.strip_suffix('s').and_then(|n| n.parse().ok());
    let seconds = seconds.ok_or_else(|| bad(text, "shifts by +Ns or -Ns"))?;
    Ok(Term { mark: mark.to_owned(), seconds })
}

impl Answers {
    /// Does the arithmetic of `answer` again, over the events that `lookup` finds by `event_id`.
    ///
    /// # Errors
    /// An event is not there, is another one than the document says, or the formula cannot be applied.
    pub fn recompute(
        &self,
        answer: &Answer,
        lookup: &dyn Fn(&str) -> Option<Fact>,
    ) -> Result<String, Error> {
        let spans = |items: &[Item]| -> Result<Vec<i64>, Error> {
            items.iter().map(|item| self.span(item, lookup)).collect()
        };
        let unknown = answer.hits.iter().find(|hit| !answer.items.iter().any(|i| i.name == **hit));
        if let Some(hit) = unknown {
            return Err(Error(format!("{}: hit `{hit}` is not among the items", answer.name)));
        }
        let formula = Formula::parse(&answer.formula)?;
        formula.apply(&spans(&answer.items)?, &spans(&answer.censored)?, answer.hits.len())
    }

    /// The length of an item, in microseconds.
    fn span(&self, item: &Item, lookup: &dyn Fn(&str) -> Option<Fact>) -> Result<i64, Error> {
        let mut total = 0;
        for (from, to) in &item.pieces {
            total += self.instant(to, lookup)? - self.instant(from, lookup)?;
        }
        Ok(total)
    }

    fn instant(&self, term: &Term, lookup: &dyn Fn(&str) -> Option<Fact>) -> Result<i64, Error> {
        if term.mark == "as_of" {
            return Ok(self.as_of.micros());
        }
        let mark = self.marks.get(&term.mark);
        let mark = mark.ok_or_else(|| Error(format!("`{}` is not among the marks", term.mark)))?;
        let found = lookup(&mark.event_id)
            .ok_or_else(|| Error(format!("{} ({}) is not in the log", term.mark, mark.event_id)))?;
        if found != mark.fact {
            return Err(Error(format!(
                "{} is {found:?} in the log, not {:?}",
                term.mark, mark.fact
            )));
        }
        Ok(found.occurred_at.micros() + term.seconds * 1_000_000)
    }
}

#[cfg(test)]
mod tests;
