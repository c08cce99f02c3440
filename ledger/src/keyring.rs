//! Which key may sign which head: derived from the first entry and from the entries about keys.
//!
//! A key signs for the heads of a range of sizes. The genesis entry names the first key. Each later change is an entry that
//! carries a [`Statement`] in a signed note, by a key that is valid at that row or by the recovery key.

use std::fmt;
use std::str::FromStr;

use backtrail_schemas::Event;

use crate::entry;
use crate::error::Error;
use crate::key::Vkey;
use crate::limits::{KEYS_MAX, TREE_SIZE_MAX};
use crate::note::Note;
use crate::tlog::Hash;

/// The first line of a statement.
const FORMAT: &str = "backtrail/key/1";

/// What is said of a key; also the phase of the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It signs from the head on that covers the entry.
    Added,
    /// It signs up to the head before the entry.
    Retired,
    /// It was lost or stolen: it signs up to the size in the statement.
    Compromised,
}

impl Action {
    /// The word in a statement, and the phase of the entry.
    pub fn word(self) -> &'static str {
        match self {
            Self::Added => "key_added",
            Self::Retired => "key_retired",
            Self::Compromised => "key_compromised",
        }
    }

    /// The action of this word.
    pub fn of(word: &str) -> Option<Self> {
        [Self::Added, Self::Retired, Self::Compromised].into_iter().find(|a| a.word() == word)
    }
}

/// What a signed note says of a key, and of which log: the text of six lines in section 5 of the format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The log.
    pub origin: String,
    /// What is said.
    pub action: Action,
    /// The key.
    pub vkey: Vkey,
    /// The size of a head of the log, at most the row of the entry.
    pub size: u64,
    /// The root of that head.
    pub root: Hash,
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (origin, action) = (&self.origin, self.action.word());
        write!(f, "{FORMAT}\n{origin}\n{action}\n{}\n{}\n{}\n", self.vkey, self.size, self.root)
    }
}

impl FromStr for Statement {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parsed = text.strip_suffix('\n').and_then(|text| {
            let lines: Vec<&str> = text.split('\n').collect();
            let [FORMAT, origin, action, vkey, size, root] = lines[..] else { return None };
            Some(Self {
                origin: origin.to_owned(),
                action: Action::of(action)?,
                vkey: vkey.parse().ok()?,
                size: size.parse().ok()?,
                root: Hash::from_base64(root).ok()?,
            })
        });
        // The comparison refuses leading zeros and signs. A statement of no rows would fit every log of this origin.
        parsed
            .filter(|s| s.to_string() == text && (1..=TREE_SIZE_MAX).contains(&s.size))
            .ok_or_else(|| Error::reject("not a statement about a key"))
    }
}

/// A key and the heads that it may sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    /// The key.
    pub vkey: Vkey,
    /// The smallest head that it may sign.
    pub from: u64,
    /// The largest one; `None` while it is current.
    pub until: Option<u64>,
    /// Why it is not current any more.
    pub ended: Option<Action>,
    /// The keys, by their place in the ring, that signed the statement by which it was added.
    vouchers: Vec<usize>,
    /// Whether the recovery key signed that statement.
    by_recovery: bool,
}

impl KeyRange {
    /// A key that nobody had to vouch for.
    fn first(vkey: Vkey) -> Self {
        Self { vkey, from: 1, until: None, ended: None, vouchers: Vec::new(), by_recovery: false }
    }

    /// Whether the key may sign a head of `size` rows.
    pub fn covers(&self, size: u64) -> bool {
        self.from <= size && self.until.is_none_or(|until| size <= until)
    }
}

/// All keys that a log ever had.
#[derive(Clone, Debug, Default)]
pub struct KeyRing {
    keys: Vec<KeyRange>,
    recovery: Option<Vkey>,
}

impl KeyRing {
    /// The keys that the genesis entry names.
    ///
    /// # Errors
    /// The entry is not genesis, or its keys are none of a log.
    pub fn new(genesis: &Event) -> Result<Self, Error> {
        let named = |name: &str| genesis.attribute(name).map(str::parse::<Vkey>).transpose();
        let vkey = named("vkey")?.filter(|key| Some(key.name()) == genesis.attribute("origin"));
        let vkey = vkey.filter(|_| entry::is(genesis, "genesis"));
        let vkey = vkey.ok_or_else(|| Error::tampered("row 0 does not name the log's key"))?;
        let recovery = named("recovery_vkey")?;
        std::iter::once(&vkey).chain(&recovery).try_for_each(Vkey::check_log)?;
        if recovery.as_ref() == Some(&vkey) {
            return Err(Error::reject("the recovery key must not be the key that signs"));
        }
        Ok(Self { keys: vec![KeyRange::first(vkey)], recovery })
    }

    /// Takes in keys that must have been added in rows that were not read.
    pub fn assume(&mut self, pinned: &[Vkey]) {
        let named = self.keys[0].vkey.name().to_owned();
        for vkey in pinned.iter().filter(|key| key.name() == named && key.check_log().is_ok()) {
            let known = self.keys.iter().map(|key| &key.vkey).chain(&self.recovery);
            if !known.into_iter().any(|known| known == vkey) {
                self.keys.push(KeyRange::first(vkey.clone()));
            }
        }
    }

    /// All keys, in the order in which they were added.
    pub fn ranges(&self) -> &[KeyRange] {
        &self.keys
    }

    /// The keys that may sign the next head.
    pub fn current(&self) -> impl Iterator<Item = &Vkey> {
        self.keys.iter().filter(|key| key.until.is_none()).map(|key| &key.vkey)
    }

    /// The keys that may sign a head of `size` rows.
    pub fn valid_at(&self, size: u64) -> impl Iterator<Item = &Vkey> {
        self.keys.iter().filter(move |key| key.covers(size)).map(|key| &key.vkey)
    }

    /// The key that may speak when the others are lost.
    pub fn recovery(&self) -> Option<&Vkey> {
        self.recovery.as_ref()
    }

    /// Takes row `seq` in, if it is an entry about a key, and returns its statement. Whether the log had that root at that
    /// size is for the caller to compare.
    ///
    /// # Errors
    /// The entry or its statement does not hold. Then nothing changed.
    pub fn take(&mut self, event: &Event, seq: u64) -> Result<Option<Statement>, Error> {
        let action = event.text("phase").and_then(Action::of);
        let Some(action) = action.filter(|action| entry::is(event, action.word())) else {
            return Ok(None);
        };
        let text = event.attribute("statement").unwrap_or_default();
        let note: Note = text.parse()?;
        let statement: Statement = note.text.parse()?;
        if note.to_string() != text
            || statement.action != action
            || event.attribute("vkey") != Some(&statement.vkey.to_string())
        {
            return Err(Error::tampered("the entry does not say what its statement says"));
        }
        self.apply(&statement, &note, seq)?;
        Ok(Some(statement))
    }

    fn apply(&mut self, statement: &Statement, note: &Note, seq: u64) -> Result<(), Error> {
        let Statement { action, vkey, size, .. } = statement;
        let origin = self.keys.first().map(|key| key.vkey.name());
        if origin != Some(&statement.origin) || origin != Some(vkey.name()) {
            return Err(Error::tampered("the statement is of another log"));
        }
        vkey.check_log().map_err(|e| Error::tampered(e.to_string()))?;
        if *size > seq {
            return Err(Error::tampered(format!("the statement is of {size} rows, later ones")));
        }
        let (signers, by_recovery) = self.signers(note)?;
        let own = self.keys.iter().position(|key| key.vkey == *vkey);
        let valid = |at: &usize| self.keys[*at].covers(seq) && own != Some(*at);
        let vouchers: Vec<usize> = signers.into_iter().filter(valid).collect();
        let may = match action {
            Action::Added | Action::Retired => by_recovery || !vouchers.is_empty(),
            Action::Compromised => by_recovery,
        };
        if !may {
            return Err(Error::tampered("the statement is not signed by a key that may make it"));
        }
        match own {
            None if *action == Action::Added => {
                if self.keys.len() >= KEYS_MAX || self.recovery.as_ref() == Some(vkey) {
                    return Err(Error::tampered("this key cannot be added"));
                }
                let (vkey, from) = (vkey.clone(), seq + 1);
                let range =
                    KeyRange { vkey, from, until: None, ended: None, vouchers, by_recovery };
                self.keys.push(range);
                Ok(())
            }
            Some(at) if *action != Action::Added => self.end(at, statement, seq),
            Some(_) => Err(Error::tampered("the key was added before")),
            None => Err(Error::tampered("the key is not one of this log")),
        }
    }

    /// Ends the range of a key: there must be another one that goes on.
    fn end(&mut self, at: usize, statement: &Statement, seq: u64) -> Result<(), Error> {
        if !self.current().any(|key| *key != statement.vkey) {
            return Err(Error::tampered("it is the only key: add the next one first"));
        }
        let key = &mut self.keys[at];
        let until = match statement.action {
            Action::Compromised => statement.size,
            _ if key.until.is_some() => return Err(Error::tampered("the key is retired already")),
            _ => seq,
        };
        key.until = Some(key.until.map_or(until, |before| before.min(until)));
        key.ended = Some(statement.action);
        Ok(())
    }

    /// The keys that signed a note, by their places, and whether the recovery key did. Lines of unknown keys say nothing.
    fn signers(&self, note: &Note) -> Result<(Vec<usize>, bool), Error> {
        let (mut found, mut by_recovery) = (Vec::new(), false);
        for line in &note.signatures {
            let known = self.keys.iter().map(|key| &key.vkey).chain(&self.recovery).enumerate();
            for (at, vkey) in known.filter(|(_, vkey)| line.claims(vkey)) {
                if !line.holds(&note.text, vkey) {
                    let message = format!("the signature of `{}` does not hold", line.name);
                    return Err(Error::tampered(message));
                }
                if at == self.keys.len() {
                    by_recovery = true;
                } else if !found.contains(&at) {
                    found.push(at);
                }
            }
        }
        Ok((found, by_recovery))
    }

    /// The places of the keys that signed a head of `size` rows and may do so: at least one.
    ///
    /// # Errors
    /// There is none, or a line of a key of this log does not hold.
    pub fn open(&self, note: &Note, size: u64) -> Result<Vec<usize>, Error> {
        let (signers, _) = self.signers(note)?;
        let valid: Vec<usize> =
            signers.iter().copied().filter(|at| self.keys[*at].covers(size)).collect();
        if !valid.is_empty() {
            return Ok(valid);
        }
        Err(Error::tampered(match signers.first().map(|at| &self.keys[*at]) {
            None => "no signature is by a key of this log".to_owned(),
            Some(KeyRange { from, until: None, .. }) => {
                format!("{size} rows, signed by a key for heads of {from} rows and more")
            }
            Some(KeyRange { from, until: Some(until), .. }) => {
                format!("{size} rows, signed by a key for heads of {from} to {until} rows")
            }
        }))
    }

    /// Which keys somebody may believe who holds `pinned`: these, and whatever keys they vouched for. The recovery key
    /// vouches once genesis, which names it, is known to be that of the pinned key's log.
    pub fn trusted(&self, pinned: &[Vkey], genesis_known: bool) -> Vec<bool> {
        let recovery = genesis_known || self.recovery.as_ref().is_some_and(|r| pinned.contains(r));
        let mut trusted: Vec<bool> = Vec::with_capacity(self.keys.len());
        // One pass is enough: a key is vouched for by keys that were there before it.
        for key in &self.keys {
            let vouched = key.vouchers.iter().any(|at| trusted.get(*at) == Some(&true));
            let believed = pinned.contains(&key.vkey) || vouched || (key.by_recovery && recovery);
            trusted.push(believed);
        }
        trusted
    }
}
