//! What outsiders say about the head and the kept notes.

use super::{Check, Finding};
use crate::checkpoint::Checkpoint;
use crate::cosignature::is_disguised;
use crate::error::{Error, Kind};
use crate::key::Vkey;
use crate::note::NoteSignature;
use crate::policy::Policy;
use crate::witness::client::read_cosignatures;
use crate::writer::cosignatures_path;

impl Check<'_> {
    /// Whether something outside the ledger vouches for the head: the policy's quorum, or else the note that the auditor
    /// brought.
    pub(super) fn check_anchor(&mut self, head: &Checkpoint) -> Result<(), Error> {
        let options = self.options;
        let lines = self.check_cosignatures(head)?;
        let asked = options.policy.as_ref().filter(|policy| policy.asks());
        self.witnessed = asked.is_some_and(|policy| policy.is_met(&head.to_string(), &lines));
        let anchored = match asked {
            Some(_) => self.witnessed,
            None => options.since.is_some(),
        };
        if options.require_anchor && !anchored {
            let what = match asked {
                Some(_) => "the policy's quorum has not cosigned the head",
                None => "nothing outside the ledger vouches for its head",
            };
            self.add(Finding::new("no_anchor", 40, what));
        }
        let others = options.policy.as_ref().is_some_and(|policy| {
            let known = |key: &Vkey| policy.logs().iter().any(|log| log.key == *key);
            !policy.logs().is_empty() && !options.keys.iter().any(known)
        });
        if others {
            self.add(Finding::new("policy", 12, "the policy is for other logs than this key's"));
        }
        Ok(())
    }

    /// Checks the lines of the policy's witnesses beside the head or kept note `of`; returns all lines.
    pub(super) fn check_cosignatures(
        &mut self,
        of: &Checkpoint,
    ) -> Result<Vec<NoteSignature>, Error> {
        let path = cosignatures_path(of.size);
        let lines = match read_cosignatures(self.store, of.size) {
            Ok(lines) => lines,
            Err(error) if error.kind() == Kind::Tampered => {
                self.add(Finding::new("cosignature", 12, error.to_string()).file(&path));
                return Ok(Vec::new());
            }
            Err(error) => return Err(error),
        };
        let text = of.to_string();
        let options = self.options;
        let witnesses = options.policy.as_ref().map_or(&[][..], Policy::witnesses);
        for line in &lines {
            let named = witnesses.iter().find(|witness| line.claims(&witness.key));
            let holds = named.map(|witness| line.holds(&text, &witness.key));
            let disguised = || witnesses.iter().any(|w| is_disguised(&text, line, &w.key));
            let what = match holds {
                Some(true) => continue,
                Some(false) => "does not hold",
                None if disguised() => "names another key than the one it was made with",
                None => {
                    self.unknown_cosignatures += 1;
                    continue;
                }
            };
            let message = format!("the cosignature of `{}` {what}", line.name);
            self.add(Finding::new("cosignature", 12, message).file(&path));
        }
        Ok(lines)
    }
}
