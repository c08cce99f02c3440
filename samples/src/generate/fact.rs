//! One row of the made-up history, and its native form.

use std::fmt::Write;

use backtrail_schemas::Timestamp;

/// The value of a column. Texts hold no character that JSON escapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    Text(String),
    Word(&'static str),
    Number(i64),
    Flag(bool),
    Time(i64),
    List(Vec<String>),
}

/// One row: when in microseconds, its number, what, and its columns.
#[derive(Clone, Debug)]
pub(super) struct Fact {
    pub(super) at: i64,
    pub(super) id: u64,
    pub(super) kind: &'static str,
    pub(super) phase: &'static str,
    /// The service that it is about, by its place in the world.
    pub(super) service: usize,
    pub(super) cells: Vec<(&'static str, Cell)>,
    pub(super) occurred_at: Option<i64>,
}

impl Fact {
    /// A text or word column.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.cells.iter().find(|(n, _)| *n == name).and_then(|(_, cell)| match cell {
            Cell::Text(text) => Some(text.as_str()),
            Cell::Word(word) => Some(*word),
            _ => None,
        })
    }

    /// Whether it is a mark of an incident that people set themselves, which may need correction. In either shape its row is
    /// native, so a correction finds it.
    pub(super) fn is_a_persons_mark(&self) -> bool {
        self.kind == "incident"
            && matches!(self.phase, "started" | "decided" | "mitigated" | "verified")
    }

    /// The same row with another or one more column.
    pub(super) fn with(&self, name: &'static str, cell: Cell) -> Self {
        let mut fact = self.clone();
        fact.cells.retain(|(n, _)| *n != name);
        fact.cells.push((name, cell));
        fact
    }

    /// A correction of its time by so many seconds.
    pub(super) fn corrected(&self, id: u64, seconds: i64) -> Self {
        let fact = self.correction(id, "amended");
        Self { occurred_at: Some(self.at - seconds * 1_000_000), ..fact }
    }

    /// A correction that takes it back.
    pub(super) fn retracted(&self, id: u64) -> Self {
        self.correction(id, "retracted")
    }

    fn correction(&self, id: u64, phase: &'static str) -> Self {
        let amended = Cell::Text(format!("native:generated:e{}", self.id));
        Self {
            at: self.at + 1_800_000_000,
            id,
            kind: "correction",
            phase,
            service: self.service,
            cells: vec![("amends_event_id", amended)],
            occurred_at: None,
        }
    }

    /// One line of the native form.
    pub(super) fn native(&self) -> String {
        let mut out = String::with_capacity(512);
        let (id, kind, phase, at) = (self.id, self.kind, self.phase, time(self.at));
        let _ = write!(
            out,
            r#"{{"event_id":"e{id}","source_instance":"generated","kind":"{kind}","phase":"{phase}","occurred_at":"{at}""#
        );
        for (name, cell) in &self.cells {
            let _ = write!(out, r#","{name}":"#);
            put(&mut out, cell);
        }
        if let Some(at) = self.occurred_at {
            let _ = write!(out, r#","attributes":{{"occurred_at":"{}"}}"#, time(at));
        }
        out.push('}');
        out
    }
}

fn put(out: &mut String, cell: &Cell) {
    let _ = match cell {
        Cell::Text(text) => write!(out, "\"{text}\""),
        Cell::Word(word) => write!(out, "\"{word}\""),
        Cell::Number(n) => write!(out, "{n}"),
        Cell::Flag(flag) => write!(out, "{flag}"),
        Cell::Time(at) => write!(out, "\"{}\"", time(*at)),
        Cell::List(list) => write!(out, "[\"{}\"]", list.join("\",\"")),
    };
}

/// An instant of the made-up history.
pub(super) fn time(us: i64) -> Timestamp {
    Timestamp::from_micros(us).expect("a history of this length ends long before 9999")
}
