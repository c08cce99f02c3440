//! The report as data. It is computed once; `report.json` is this model in canonical form, and every page is rendered
//! from it without computing anything. All texts are final: numbers are formatted, times are in UTC and say so.

use serde::{Deserialize, Serialize};

use crate::chart::Chart;
use crate::evaluate::State;
use crate::pack::Status;
use crate::sampling::Drawn;

/// A whole report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// `report/1`.
    pub schema: String,
    /// Which report it is: `soc2`, `hipaa`, `monthly`, `incident`.
    pub kind: String,
    /// What the first page says.
    pub cover: Cover,
    /// The controls that were run, in the pack's order.
    pub controls: Vec<ControlResult>,
    /// The body.
    pub sections: Vec<Section>,
}

/// What a reader must know before anything else, and what makes the report reproducible.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cover {
    /// The title.
    pub title: String,
    /// One line below it.
    pub subtitle: String,
    /// The organisation.
    pub entity: String,
    /// What is in scope, in the organisation's words or ours.
    pub scope: String,
    /// The period as a person says it.
    pub period: String,
    /// The same as instants, short.
    pub window: String,
    /// Its first instant.
    pub from: String,
    /// The first instant after it.
    pub to: String,
    /// The time zone that cut it.
    pub zone: String,
    /// The last instant whose recordings count.
    pub as_of: String,
    /// The log.
    pub origin: String,
    /// How many entries the checkpoint covers.
    pub size: u64,
    /// The root of the checkpoint, in base64.
    pub root: String,
    /// SHA-256 over everything that decides the report's bytes, in hex.
    pub report_id: String,
    /// The pack, its version and its digest.
    pub pack: String,
    /// The version of the tool.
    pub tool: String,
    /// What the report is, and what it is not.
    pub disclaimer: String,
    /// What a page of a simulated log must say, or nothing.
    pub warning: Option<String>,
    /// Which profile of redaction was used.
    pub redaction: String,
}

/// What a control came to, ready for a page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlResult {
    /// The id.
    pub id: String,
    /// The version of the definition.
    pub version: String,
    /// The group.
    pub family: String,
    /// A few words.
    pub title: String,
    /// What holds if it works.
    pub statement: String,
    /// What one item is.
    pub item: String,
    /// The test performed.
    pub procedure: String,
    /// What to do about exceptions.
    pub remediation: String,
    /// What it came to.
    pub state: State,
    /// The words for it.
    pub state_words: String,
    /// Why it is an error or inconclusive.
    pub note: Option<String>,
    /// `n of N`, in words.
    pub result: String,
    /// How many items of which kind.
    pub counts: Counts,
    /// How often each reason was given.
    pub reasons: Vec<ReasonCount>,
    /// Where the information comes from.
    pub ipe: Ipe,
    /// The headings of the evidence cells.
    pub columns: Vec<String>,
    /// The exceptions, up to a limit.
    pub exceptions: Vec<ItemView>,
    /// How many exceptions are only in the rows file.
    pub exceptions_unshown: usize,
    /// Exceptions that an exemption of the overlay covers.
    pub exempted: Vec<ItemView>,
    /// The sample, in order of tickets.
    pub sample: Vec<Drawn>,
}

/// How many items of a population came to what. They add up: the first is the sum of the others but `tested`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// All items.
    pub population: usize,
    /// As the second query counts them; absent if it failed.
    pub expected: Option<i64>,
    /// Passed and failed.
    pub tested: usize,
    /// The good case.
    pub pass: usize,
    /// Exceptions.
    pub fail: usize,
    /// Tested elsewhere, or exempted.
    pub exempt: usize,
    /// Could not be asked of this item.
    pub not_applicable: usize,
}

/// How often a reason was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReasonCount {
    /// The code.
    pub code: String,
    /// What it means for the item.
    pub status: Status,
    /// What it says.
    pub meaning: String,
    /// How many items.
    pub count: usize,
}

/// Information produced by the entity: how the population was made, so that it can be made again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ipe {
    /// The query as it ran.
    pub sql: String,
    /// Its SHA-256, in hex.
    pub sql_sha256: String,
    /// The file in the bundle.
    pub sql_file: String,
    /// The file with all rows.
    pub rows_file: String,
    /// Its SHA-256, in hex.
    pub rows_sha256: String,
    /// Parameters in force, as `name = value`.
    pub parameters: Vec<String>,
    /// The tables read.
    pub reads: Vec<String>,
    /// When the first item happened.
    pub first: Option<String>,
    /// When the last item happened.
    pub last: Option<String>,
}

/// One item on a page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemView {
    /// The item.
    pub item_id: String,
    /// When.
    pub at: String,
    /// What it came to.
    pub status: Status,
    /// The code.
    pub reason_code: String,
    /// In words.
    pub reason: String,
    /// The evidence cells, in the order of the control's columns.
    pub cells: Vec<String>,
    /// The positions of the rows that it rests on.
    pub seq: Vec<i64>,
    /// The exemption that covers it, in words.
    pub exemption: Option<String>,
}

/// A numbered part of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// The anchor.
    pub id: String,
    /// `1`, `2`, … or `A`, `B`, … for appendices.
    pub number: String,
    /// The heading.
    pub title: String,
    /// The content.
    pub blocks: Vec<Block>,
}

/// A piece of content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Block {
    /// A paragraph.
    Text {
        /// It.
        text: String,
    },
    /// A heading below the section's.
    Heading {
        /// The anchor.
        id: String,
        /// The words.
        text: String,
    },
    /// Terms with their values.
    Facts {
        /// In order.
        rows: Vec<Fact>,
    },
    /// The numbers that matter most.
    Figures {
        /// In order.
        items: Vec<Figure>,
        /// Where they come from.
        source: Provenance,
    },
    /// A table.
    Table(Table),
    /// A chart with the table of its data.
    Figure {
        /// The chart.
        chart: Chart,
        /// Its data.
        table: Table,
    },
    /// The full page of a control, by its id.
    Control {
        /// The id.
        id: String,
    },
    /// A list.
    List {
        /// In order.
        items: Vec<String>,
    },
    /// Text to be copied as it is.
    Code {
        /// What it is.
        caption: String,
        /// It.
        text: String,
    },
    /// Room for a person to write in.
    Authored {
        /// What is asked for.
        label: String,
    },
}

/// A term with its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// The term.
    pub term: String,
    /// The value.
    pub value: String,
    /// Whether the value is code: a digest, a path, a command.
    #[serde(default)]
    pub code: bool,
}

/// One of the numbers that matter most.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figure {
    /// What it is.
    pub label: String,
    /// The number, formatted.
    pub value: String,
    /// What it is of, or how sure it is.
    pub note: String,
    /// The metric or query.
    pub metric: String,
}

/// Where a number comes from (invariant R1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The metric, view or query.
    pub metric: String,
    /// The window.
    pub window: String,
    /// The checkpoint.
    pub checkpoint: String,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// The anchor; unique in the report.
    pub id: String,
    /// What it shows.
    pub caption: String,
    /// The columns.
    pub columns: Vec<Heading>,
    /// The rows; each has a cell for every column, the first one names the row.
    pub rows: Vec<Vec<Cell>>,
    /// What is said when there are none.
    pub empty: String,
    /// Where the numbers come from; absent for tables without numbers.
    pub source: Option<Provenance>,
}

/// The head of a column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heading {
    /// The words.
    pub title: String,
    /// Whether the cells are numbers, which are set to the right.
    #[serde(default)]
    pub number: bool,
}

/// A cell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// The text.
    pub text: String,
    /// The status or state it stands for, by word; its shape is shown beside the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
    /// The anchor of this report that it leads to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Whether it is code: an id, a digest.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub code: bool,
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self { text: text.to_owned(), ..Self::default() }
    }
}
impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, ..Self::default() }
    }
}
impl From<usize> for Cell {
    fn from(n: usize) -> Self {
        crate::format::count(n as u64).into()
    }
}

impl Cell {
    /// An id, a digest: something to copy.
    pub fn code(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: true, ..Self::default() }
    }

    /// A cell that leads to `anchor`.
    pub fn link(text: impl Into<String>, anchor: &str) -> Self {
        Self { text: text.into(), link: Some(anchor.to_owned()), ..Self::default() }
    }

    /// The state of a control.
    pub fn state(state: State) -> Self {
        let mark = match state {
            State::Effective => "pass",
            State::Exceptions => "fail",
            State::NotTested => "not_tested",
            State::Inconclusive => "inconclusive",
            State::Error => "error",
        };
        Self { text: state.words().to_owned(), mark: Some(mark.to_owned()), ..Self::default() }
    }
}

/// Headings: a leading `#` says that the cells of the column are numbers.
pub(crate) fn headings(titles: &[&str]) -> Vec<Heading> {
    let heading = |title: &&str| match title.strip_prefix('#') {
        Some(title) => Heading { title: title.to_owned(), number: true },
        None => Heading { title: (*title).to_owned(), number: false },
    };
    titles.iter().map(heading).collect()
}

/// A fact.
pub(crate) fn fact(term: &str, value: impl Into<String>) -> Fact {
    Fact { term: term.to_owned(), value: value.into(), code: false }
}

/// A fact whose value is code.
pub(crate) fn code_fact(term: &str, value: impl Into<String>) -> Fact {
    Fact { code: true, ..fact(term, value) }
}

/// A paragraph.
pub(crate) fn text(text: impl Into<String>) -> Block {
    Block::Text { text: text.into() }
}

impl Report {
    /// The provenance of a number of this report that comes from `metric`.
    pub fn provenance(&self, metric: &str) -> Provenance {
        Provenance {
            metric: metric.to_owned(),
            window: self.cover.window.clone(),
            checkpoint: format!("{}@{}", self.cover.origin, self.cover.size),
        }
    }
}
