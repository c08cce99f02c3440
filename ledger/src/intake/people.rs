//! Pseudonyms: who is who.

use std::collections::HashMap;

use backtrail_schemas::{Draft, Identity};
use data_encoding::BASE32_NOPAD;

use crate::vault::IdentityRecord;

/// The pseudonyms that were given, by directory and id.
#[derive(Debug, Default)]
pub(crate) struct People {
    known: HashMap<(String, String), Person>,
}

#[derive(Debug)]
struct Person {
    pseudonym: String,
    named: bool,
}

impl People {
    /// Takes an identity of the vault over.
    pub(crate) fn insert(&mut self, record: &IdentityRecord) {
        let person = Person { pseudonym: record.pseudonym.clone(), named: record.name.is_some() };
        self.known.insert((record.directory.clone(), record.id.clone()), person);
    }

    /// The pseudonym of `identity`, if it has one already.
    pub(crate) fn pseudonym(&self, identity: &Identity) -> Option<String> {
        match identity {
            Identity::Person { directory, id, .. } => self
                .known
                .get(&(directory.clone(), id.clone()))
                .map(|person| person.pseudonym.clone()),
            Identity::Bot(name) => Some(format!("bot:{name}")),
            Identity::Vendor(name) => Some(format!("vendor:{name}")),
        }
    }

    /// Whether the vault no longer knows who this pseudonym is.
    pub(crate) fn is_erased(&self, pseudonym: &str) -> bool {
        pseudonym.starts_with("person:")
            && !self.known.values().any(|person| person.pseudonym == pseudonym)
    }

    /// Whether `identity` says a name that the vault does not know yet.
    pub(crate) fn is_news(&self, identity: &Identity) -> bool {
        let Identity::Person { directory, id, name } = identity else { return false };
        match self.known.get(&(directory.clone(), id.clone())) {
            None => true,
            Some(person) => name.as_ref().is_some_and(|n| !n.is_empty()) && !person.named,
        }
    }
}

/// The text of a pseudonym from 16 bytes: `person:` and 26 lower-case base32 characters.
pub(crate) fn person(bytes: &[u8; 16]) -> String {
    format!("person:{}", BASE32_NOPAD.encode(bytes).to_ascii_lowercase())
}

/// Whether a text is one that [`person`] gives.
pub(crate) fn is_person(text: &str) -> bool {
    let base32 = |b: u8| b.is_ascii_lowercase() || (b'2'..=b'7').contains(&b);
    text.strip_prefix("person:").is_some_and(|name| name.len() == 26 && name.bytes().all(base32))
}

/// Puts pseudonyms into the event of `draft`; `resolve` gives them.
pub(crate) fn put(
    event: &mut backtrail_schemas::Event,
    draft: &Draft,
    resolve: &mut dyn FnMut(&Identity) -> String,
) {
    let mut lists: HashMap<&'static str, Vec<String>> = HashMap::new();
    for (name, identity) in &draft.people {
        let pseudonym = resolve(identity);
        let column = backtrail_schemas::columns::column(name).expect("checked on admission");
        if column.ty == backtrail_schemas::columns::Type::StringList {
            lists.entry(name).or_default().push(pseudonym);
        } else {
            event.put(name, pseudonym);
        }
    }
    for (name, list) in lists {
        event.put(name, list);
    }
}
