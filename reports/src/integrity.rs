//! What the verifier of the log found, as data: the ledger is checked by whoever opens it, and reports only print it.

use serde::{Deserialize, Serialize};

/// The result of verifying the log at the checkpoint of a report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Integrity {
    /// The exit code: 0 if everything that was read holds.
    pub exit: u8,
    /// `none`, `note` or `witnessed`: what the head was held against.
    pub anchor: String,
    /// The levels that were checked: `head`, `structure`, `content`.
    pub levels: Vec<String>,
    /// Whether the erasable store was checked against its commitments.
    pub vault: bool,
    /// Everything that does not hold.
    pub findings: Vec<IntegrityFinding>,
}

/// One thing that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntegrityFinding {
    /// The kind of finding.
    pub code: String,
    /// The exit code of its kind.
    pub exit: u8,
    /// What a person should read.
    pub message: String,
}

/// One check of the verifier, as the control `LOG-02` sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) id: &'static str,
    pub(crate) question: &'static str,
    pub(crate) examined: bool,
    pub(crate) findings: usize,
}

/// The checks in order of their ids, with the exit codes that belong to them and the level that makes them.
///
/// Source: the verifier's table of exit codes in the log format.
const CHECKS: &[(&str, &str, &[u8], &str)] = &[
    ("anchor", "the head is not older than one that somebody else holds", &[40], "anchor"),
    (
        "content",
        "every row is the leaf that was signed, and every summary of rows follows from them",
        &[10],
        "content",
    ),
    ("evidence", "every proof holds against the signed head", &[16], "structure"),
    ("history", "no head was rolled back or split", &[13], "head"),
    ("input", "every file that must be there is there and can be read", &[20, 30], "structure"),
    ("signature", "the head is signed by the key that the reader pinned", &[12], "head"),
    (
        "structure",
        "segments, tiles and frames form one tree without gap or overlap",
        &[11],
        "structure",
    ),
    ("time", "recording times never go back and lie between witnessed ones", &[14], "structure"),
    (
        "vault",
        "names and texts that can still be read are those that were committed to",
        &[17],
        "vault",
    ),
];

impl Integrity {
    /// Every check with what came of it.
    pub(crate) fn checks(&self) -> Vec<Check> {
        let examined = |by: &str| match by {
            "anchor" => !self.anchor.is_empty() && self.anchor != "none",
            "vault" => self.vault,
            level => self.levels.iter().any(|l| l == level),
        };
        let count = |exits: &[u8]| self.findings.iter().filter(|f| exits.contains(&f.exit)).count();
        let check = |&(id, question, exits, by): &(_, _, &[u8], _)| Check {
            id,
            question,
            examined: examined(by),
            findings: count(exits),
        };
        CHECKS.iter().map(check).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_verifier_belongs_to_one_check() {
        for exit in [10, 11, 12, 13, 14, 16, 17, 20, 30, 40] {
            assert_eq!(CHECKS.iter().filter(|c| c.2.contains(&exit)).count(), 1, "{exit}");
        }
        assert!(CHECKS.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn what_was_not_looked_at_was_not_examined() {
        let finding = IntegrityFinding { code: "leaf".into(), exit: 10, message: "row 7".into() };
        let head = Integrity {
            levels: vec!["head".into()],
            findings: vec![finding],
            ..Integrity::default()
        };
        let by = |id: &str| head.checks().into_iter().find(|c| c.id == id).unwrap();
        assert!(by("signature").examined && by("signature").findings == 0);
        assert!(!by("content").examined && by("content").findings == 1);
        assert!(!by("anchor").examined && !by("vault").examined);
    }
}
