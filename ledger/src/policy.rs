//! Which cosignatures make a head trustworthy. *Source*: C2SP tlog-policy.

use std::collections::BTreeMap;

use crate::error::Error;
use crate::key::{Algorithm, Vkey};
use crate::limits::POLICY_BYTES_MAX;
use crate::note::NoteSignature;

/// Known logs, known witnesses, and how many of them must have signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<PolicyLog>,
    witnesses: Vec<PolicyWitness>,
    groups: Vec<Group>,
    quorum: Quorum,
}

/// A `log` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyLog {
    /// The log's key; its name is the log's origin.
    pub key: Vkey,
    /// Where the log is.
    pub url: Option<String>,
}

/// A `witness` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyWitness {
    /// What the policy calls it, any bytes but white space.
    pub name: Vec<u8>,
    /// The key of its cosignatures.
    pub key: Vkey,
    /// Its submission prefix.
    pub url: Option<String>,
}

/// A `group` line: at least `threshold` of the members, all of which are defined above it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    threshold: usize,
    members: Vec<Member>,
}

/// A witness or a group, by its place among those.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Member {
    Witness(usize),
    Group(usize),
}

/// The `quorum` line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quorum {
    /// No cosignature is asked for.
    None,
    Of(Member),
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// A line is none of the specification's, with its number.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let bad = |line: usize, what: &str| Error::reject(format!("policy, line {line}: {what}"));
        if bytes.len() > POLICY_BYTES_MAX {
            return Err(Error::reject(format!("a policy of more than {POLICY_BYTES_MAX} bytes")));
        }
        let mut reader = Reader::default();
        let mut number = 0;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            number += 1;
            let line = line.strip_suffix(b"\n").ok_or_else(|| bad(number, "no newline ends it"))?;
            if line.iter().any(|byte| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f) {
                return Err(bad(number, "a control character"));
            }
            let words = line.split(|byte| b" \t".contains(byte)).filter(|word| !word.is_empty());
            let words: Vec<&[u8]> = words.collect();
            if words.first().is_some_and(|word| !word.starts_with(b"#")) {
                reader.line(&words).map_err(|what| bad(number, &what))?;
            }
        }
        let quorum = reader.quorum.ok_or_else(|| bad(number, "the policy has no quorum"))?;
        let Reader { logs, witnesses, groups, .. } = reader;
        Ok(Self { logs, witnesses, groups, quorum })
    }

    /// The logs, of which any one may have signed; if there are none, the log is known in another way.
    pub fn logs(&self) -> &[PolicyLog] {
        &self.logs
    }

    /// The witnesses.
    pub fn witnesses(&self) -> &[PolicyWitness] {
        &self.witnesses
    }

    /// Whether the policy asks for any cosignature: `quorum none` does not.
    pub fn asks(&self) -> bool {
        self.quorum != Quorum::None
    }

    /// Whether the lines that hold for the checkpoint `text` are those of a quorum. Lines of others are ignored, and so are
    /// lines that do not hold.
    pub fn is_met(&self, text: &str, lines: &[NoteSignature]) -> bool {
        let Quorum::Of(quorum) = self.quorum else { return true };
        let signed = |key: &Vkey| lines.iter().any(|line| line.holds(text, key));
        let witnesses: Vec<bool> = self.witnesses.iter().map(|w| signed(&w.key)).collect();
        // Each group comes after its members, so one pass settles all of them.
        let mut groups: Vec<bool> = Vec::with_capacity(self.groups.len());
        for group in &self.groups {
            let met = |member: &&Member| is_signed(**member, &witnesses, &groups);
            groups.push(group.members.iter().filter(met).count() >= group.threshold);
        }
        is_signed(quorum, &witnesses, &groups)
    }
}

fn is_signed(member: Member, witnesses: &[bool], groups: &[bool]) -> bool {
    match member {
        Member::Witness(at) => witnesses[at],
        Member::Group(at) => groups[at],
    }
}

/// The predefined name.
const NONE: &[u8] = b"none";

/// What was read so far.
#[derive(Default)]
struct Reader {
    logs: Vec<PolicyLog>,
    witnesses: Vec<PolicyWitness>,
    groups: Vec<Group>,
    /// Names, and whether each is already the member of a group.
    names: BTreeMap<Vec<u8>, (Member, bool)>,
    quorum: Option<Quorum>,
}

impl Reader {
    fn line(&mut self, words: &[&[u8]]) -> Result<(), String> {
        match words {
            [b"log", key] => self.log(key, None),
            [b"log", key, url] => self.log(key, Some(url)),
            [b"witness", name, key] => self.witness(name, key, None),
            [b"witness", name, key, url] => self.witness(name, key, Some(url)),
            [b"group", name, threshold, members @ ..] if !members.is_empty() => {
                self.group(name, threshold, members)
            }
            [b"quorum", name] => self.quorum(name),
            [word, ..] => Err(format!("`{}` and what follows is no line of a policy", shown(word))),
            [] => Ok(()),
        }
    }

    fn log(&mut self, key: &[u8], url: Option<&[u8]>) -> Result<(), String> {
        let key = key_of(key, Algorithm::Ed25519)?;
        if self.logs.iter().any(|log| log.key.public() == key.public()) {
            return Err("this log's key is there already".to_owned());
        }
        self.logs.push(PolicyLog { key, url: url.map(text).transpose()? });
        Ok(())
    }

    fn witness(&mut self, name: &[u8], key: &[u8], url: Option<&[u8]>) -> Result<(), String> {
        let key = key_of(key, Algorithm::Cosignature)?;
        if self.witnesses.iter().any(|witness| witness.key.public() == key.public()) {
            return Err("this witness's key is there already".to_owned());
        }
        self.define(name, Member::Witness(self.witnesses.len()))?;
        let (name, url) = (name.to_owned(), url.map(text).transpose()?);
        self.witnesses.push(PolicyWitness { name, key, url });
        Ok(())
    }

    fn group(&mut self, name: &[u8], threshold: &[u8], names: &[&[u8]]) -> Result<(), String> {
        let mut members = Vec::with_capacity(names.len());
        for member in names {
            match self.names.get_mut(*member) {
                None => return Err(format!("`{}` is not defined above", shown(member))),
                Some((_, true)) => {
                    return Err(format!("`{}` is the member of a group already", shown(member)));
                }
                Some((found, used)) => {
                    *used = true;
                    members.push(*found);
                }
            }
        }
        let threshold = match threshold {
            b"any" => 1,
            b"all" => members.len(),
            number => text(number)?
                .parse()
                .ok()
                .filter(|k: &usize| {
                    (1..=members.len()).contains(k) && k.to_string().as_bytes() == number
                })
                .ok_or_else(|| format!("`{}` of {} members", shown(number), members.len()))?,
        };
        self.define(name, Member::Group(self.groups.len()))?;
        self.groups.push(Group { threshold, members });
        Ok(())
    }

    fn quorum(&mut self, name: &[u8]) -> Result<(), String> {
        if self.quorum.is_some() {
            return Err("a second quorum".to_owned());
        }
        self.quorum = Some(match self.names.get(name) {
            Some((member, _)) => Quorum::Of(*member),
            None if name == NONE => Quorum::None,
            None => return Err(format!("`{}` is not defined above", shown(name))),
        });
        Ok(())
    }

    fn define(&mut self, name: &[u8], member: Member) -> Result<(), String> {
        if name == NONE || self.names.contains_key(name) {
            return Err(format!("`{}` has a meaning already", shown(name)));
        }
        self.names.insert(name.to_owned(), (member, false));
        Ok(())
    }
}

fn key_of(word: &[u8], algorithm: Algorithm) -> Result<Vkey, String> {
    let key: Vkey = text(word)?.parse().map_err(|error: Error| error.to_string())?;
    if key.algorithm() == algorithm {
        Ok(key)
    } else if algorithm == Algorithm::Ed25519 {
        Err("the key of a witness where that of a log belongs".to_owned())
    } else {
        Err("the key of a log where that of a witness belongs".to_owned())
    }
}

fn text(word: &[u8]) -> Result<String, String> {
    String::from_utf8(word.to_owned()).map_err(|_| format!("`{}` is not UTF-8", shown(word)))
}

fn shown(word: &[u8]) -> String {
    String::from_utf8_lossy(word).into_owned()
}
