//! The vault and the quarantine: erasable stores beside the log, for what must not be in a leaf.
//!
//! `vault/identities` holds the vault's key and who is behind each pseudonym; `vault/<first>.vault` the deliveries and
//! texts of the rows from `first` on; `quarantine/<first>.quarantine` the deliveries that were not understood. All are
//! files of frames whose payloads are JSON with sorted keys. Each file begins where a file of the write-ahead log did.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use backtrail_schemas::{Delivery, Reception, json};
use data_encoding::{BASE64, HEXLOWER};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::commitment::{Salt, commitment};
use crate::error::Error;
use crate::frame::{self, End, Frames};

use crate::storage::Storage;
use crate::tlog::hash::sha256;

/// The name of the vault's format, in its headers.
pub const FORMAT: &str = "backtrail/vault/1";
/// The name of the quarantine's format.
pub const QUARANTINE_FORMAT: &str = "backtrail/quarantine/1";
/// Where identities lie.
pub const IDENTITIES: &str = "vault/identities";
/// Frame: the vault's key, second in `vault/identities`.
pub const KEY: u8 = b'K';
/// Frame: an identity.
pub const IDENTITY: u8 = b'I';
/// Frame: a delivery; the events behind it, up to the next one, came with it.
pub const DELIVERY: u8 = b'D';
/// Frame: the salts and texts of one event.
pub const EVENT: u8 = b'E';
/// Frame: a delivery in quarantine.
pub const QUARANTINED: u8 = b'Q';

/// What the type of a frame becomes when its record is erased: the frame keeps its place and length, its payload is zeros.
/// So the lengths in commit frames stay true, and what remains is where it was.
pub fn erased(kind: u8) -> u8 {
    kind.to_ascii_lowercase()
}

/// Whether a frame is an erased record of one of `kinds`, with nothing in it.
pub fn is_erased(frame_kind: u8, payload: &[u8], kinds: &[u8]) -> bool {
    kinds.iter().any(|kind| erased(*kind) == frame_kind) && payload.iter().all(|byte| *byte == 0)
}

/// The vault file of the rows from `first` on.
pub fn path(first: u64) -> String {
    format!("vault/{first:020}.vault")
}

/// The quarantine file of the rows from `first` on.
pub fn quarantine_path(first: u64) -> String {
    format!("quarantine/{first:020}.quarantine")
}

/// The first row of the file at `at`, if `name` would give it that path.
pub fn first_of(at: &str, name: fn(u64) -> String) -> Option<u64> {
    let digits = at.split('/').next_back()?.get(..20)?;
    digits.parse().ok().filter(|first| name(*first) == at)
}

/// The first rows of all files in the vault and the quarantine.
///
/// # Errors
/// As [`Storage::list`].
pub fn blocks(store: &dyn Storage) -> Result<BTreeSet<u64>, Error> {
    let vault = store.list("vault")?.into_iter().filter_map(|(at, _)| first_of(&at, path));
    let refused = store.list("quarantine")?.into_iter();
    Ok(vault.chain(refused.filter_map(|(at, _)| first_of(&at, quarantine_path))).collect())
}

/// A field of a record.
fn text(map: &mut Map<String, Json>, key: &str) -> Option<String> {
    match map.remove(key)? {
        Json::String(text) => Some(text),
        _ => None,
    }
}

fn texts(map: &mut Map<String, Json>, key: &str) -> Option<BTreeMap<String, String>> {
    let Json::Object(object) = map.remove(key)? else { return None };
    let pairs = object.into_iter().map(|(key, value)| Some((key, value.as_str()?.to_owned())));
    pairs.collect()
}

/// The object with its keys in byte order, however `serde_json` was built.
fn sorted(map: Map<String, Json>) -> Json {
    Json::from_iter(map.into_iter().collect::<BTreeMap<_, _>>())
}

/// JSON without white space.
fn to_json_bytes(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("texts and maps of texts are JSON")
}

/// Reads a payload with `read`, and refuses whatever would not be written the same way.
fn parse<T>(
    payload: &[u8],
    read: impl FnOnce(&mut Map<String, Json>) -> Option<T>,
    write: fn(&T) -> Vec<u8>,
) -> Result<T, Error> {
    let parsed = match json::parse(payload) {
        Ok(Json::Object(mut map)) => read(&mut map),
        _ => None,
    };
    canonical(parsed, payload, write)
}

fn canonical<T>(read: Option<T>, payload: &[u8], write: fn(&T) -> Vec<u8>) -> Result<T, Error> {
    let same = read.filter(|record| write(record) == payload);
    same.ok_or_else(|| Error::tampered("a record that is not in its canonical form"))
}

/// Reads 32 bytes of lower-case hex.
pub fn salt_of(hex: &str) -> Option<Salt> {
    HEXLOWER.decode(hex.as_bytes()).ok()?.try_into().ok()
}

/// The delivery behind events: what the leaf's `payload` and `headers` commitments are about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryRecord {
    /// The raw body.
    pub body: Vec<u8>,
    /// Headers, names in lower case.
    pub headers: BTreeMap<String, String>,
}

impl DeliveryRecord {
    /// What the commitments of its rows are about.
    pub fn digests(&self) -> DeliveryDigests {
        let hex = |bytes: &[u8]| HEXLOWER.encode(&sha256(bytes).0);
        DeliveryDigests { payload: hex(&self.body), headers: hex(&to_json_bytes(&self.headers)) }
    }

    /// The body as text, if it is text, or else in base64.
    fn body(&self) -> (Option<&str>, Option<String>) {
        let text = std::str::from_utf8(&self.body).ok();
        (text, text.is_none().then(|| BASE64.encode(&self.body)))
    }

    fn write_to(&self, map: &mut Map<String, Json>) {
        let (text, base64) = self.body();
        map.extend(text.map(|text| ("body".into(), text.into())));
        map.extend(base64.map(|base64| ("body_base64".into(), base64.into())));
        map.insert("headers".into(), Json::from_iter(self.headers.clone()));
    }

    fn read_from(map: &mut Map<String, Json>) -> Option<Self> {
        let body = match text(map, "body") {
            Some(body) => body.into_bytes(),
            None => BASE64.decode(text(map, "body_base64")?.as_bytes()).ok()?,
        };
        Some(Self { body, headers: texts(map, "headers")? })
    }

    /// The payload of the frame.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (body, body_base64) = self.body();
        let (body, headers) = (body.map(Cow::Borrowed), Cow::Borrowed(&self.headers));
        to_json_bytes(&DeliveryJson { body, body_base64, headers })
    }

    /// Reads the payload of a frame.
    ///
    /// # Errors
    /// It is not exactly what [`Self::to_bytes`] gives.
    pub fn parse(payload: &[u8]) -> Result<Self, Error> {
        let read = serde_json::from_slice(payload).ok().and_then(|json: DeliveryJson| {
            let body = match json.body {
                Some(body) => body.into_owned().into_bytes(),
                None => BASE64.decode(json.body_base64?.as_bytes()).ok()?,
            };
            Some(Self { body, headers: json.headers.into_owned() })
        });
        canonical(read, payload, Self::to_bytes)
    }
}

/// SHA-256 of a delivery's body, and of its headers as JSON of one object with sorted keys, in lower-case hex. Rows commit to
/// these, so that a delivery is hashed once, however many rows it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryDigests {
    /// Of the raw body.
    pub payload: String,
    /// Of the headers.
    pub headers: String,
}

/// The fields in the order in which they are written: that of their bytes.
#[derive(Serialize, Deserialize)]
struct DeliveryJson<'a> {
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    body: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
    headers: Cow<'a, BTreeMap<String, String>>,
}

impl From<&Delivery> for DeliveryRecord {
    fn from(delivery: &Delivery) -> Self {
        Self { body: delivery.body.clone(), headers: delivery.headers.clone() }
    }
}

/// The salts of one event's commitments, and its texts. The fields are written in this order, that of their bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRecord {
    /// The event.
    pub event_id: String,
    /// For each committed field, the salt in hex.
    pub salts: BTreeMap<String, String>,
    /// For each free text, its value.
    pub texts: BTreeMap<String, String>,
}

impl EventRecord {
    /// The payload of the frame.
    pub fn to_bytes(&self) -> Vec<u8> {
        to_json_bytes(self)
    }

    /// Reads the payload of a frame.
    ///
    /// # Errors
    /// It is not exactly what [`Self::to_bytes`] gives.
    pub fn parse(payload: &[u8]) -> Result<Self, Error> {
        canonical(serde_json::from_slice(payload).ok(), payload, Self::to_bytes)
    }

    /// The commitments that the leaf must have, by field, given the delivery that the event came with.
    pub fn commitments(&self, delivery: &DeliveryDigests) -> Option<BTreeMap<String, String>> {
        let committed = self.salts.iter().map(|(field, salt)| {
            let value = match field.as_str() {
                "payload" => &delivery.payload,
                "headers" => &delivery.headers,
                field => self.texts.get(field)?,
            };
            let salt = salt_of(salt)?;
            Some((field.clone(), commitment(&salt, &self.event_id, field, value.as_bytes())))
        });
        let committed: BTreeMap<_, _> = committed.collect::<Option<_>>()?;
        self.texts.keys().all(|field| committed.contains_key(field)).then_some(committed)
    }
}

/// Who is behind a pseudonym.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityRecord {
    /// The `ledger/identity` entry that commits to this.
    pub event_id: String,
    /// `person:` and 26 characters.
    pub pseudonym: String,
    /// The directory that issued `id`.
    pub directory: String,
    /// The id there.
    pub id: String,
    /// The name shown, if known.
    pub name: Option<String>,
    /// The salt of the commitment, in hex.
    pub salt: String,
}

impl IdentityRecord {
    fn to_json(&self) -> Json {
        let fields = [
            ("directory", &self.directory),
            ("event_id", &self.event_id),
            ("id", &self.id),
            ("pseudonym", &self.pseudonym),
            ("salt", &self.salt),
        ];
        let mut map: Map<_, _> =
            fields.iter().map(|(k, v)| ((*k).to_owned(), Json::from((*v).clone()))).collect();
        if let Some(name) = &self.name {
            map.insert("name".into(), name.clone().into());
        }
        sorted(map)
    }

    /// The payload of the frame.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_json().to_string().into_bytes()
    }

    /// Reads the payload of a frame.
    ///
    /// # Errors
    /// It is not exactly what [`Self::to_bytes`] gives.
    pub fn parse(payload: &[u8]) -> Result<Self, Error> {
        let read = |map: &mut Map<String, Json>| {
            Some(Self {
                event_id: text(map, "event_id")?,
                pseudonym: text(map, "pseudonym")?,
                directory: text(map, "directory")?,
                id: text(map, "id")?,
                name: text(map, "name"),
                salt: text(map, "salt")?,
            })
        };
        parse(payload, read, Self::to_bytes)
    }

    /// The commitment: field `identity`, over the JSON array of pseudonym, directory, id and, if known, name.
    pub fn commitment(&self) -> Option<String> {
        let parts =
            [Some(&self.pseudonym), Some(&self.directory), Some(&self.id), self.name.as_ref()];
        let value = parts.into_iter().flatten().cloned().collect::<Json>().to_string();
        Some(commitment(&salt_of(&self.salt)?, &self.event_id, "identity", value.as_bytes()))
    }
}

/// The vault's own key: salts and pseudonyms of a simulated clock are made from it, and ids of rejects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// 32 bytes in hex.
    pub key: String,
    /// The salt of the commitment in genesis, in hex.
    pub salt: String,
}

impl KeyRecord {
    fn to_json(&self) -> Json {
        Json::from_iter([
            ("key".to_owned(), self.key.clone()),
            ("salt".to_owned(), self.salt.clone()),
        ])
    }

    /// The payload of the frame.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_json().to_string().into_bytes()
    }

    /// Reads the payload of a frame.
    ///
    /// # Errors
    /// It is not exactly what [`Self::to_bytes`] gives.
    pub fn parse(payload: &[u8]) -> Result<Self, Error> {
        let read = |map: &mut Map<String, Json>| {
            Some(Self { key: text(map, "key")?, salt: text(map, "salt")? })
        };
        parse(payload, read, Self::to_bytes)
    }

    /// The commitment in genesis: field `vault_key`, over the key's 32 bytes.
    pub fn commitment(&self, genesis_id: &str) -> Option<String> {
        Some(commitment(&salt_of(&self.salt)?, genesis_id, "vault_key", &salt_of(&self.key)?))
    }
}

/// A delivery that was authenticated and not (all) understood, with the entries that say so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantineRecord {
    /// The id that receipts name.
    pub id: String,
    /// What was received.
    pub delivery: DeliveryRecord,
    /// The source it is from, as intake knows it; may be empty.
    pub source: String,
    /// When it was received, canonical time.
    pub received_at: String,
    /// How it reached us and who vouched for it; absent for what was read from a file.
    pub reception: Option<Reception>,
    /// The entries in the log.
    pub entries: Vec<QuarantineEntry>,
}

/// One `ingest/rejected` or `ledger/conflict` entry of a delivery in quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantineEntry {
    /// The entry's id.
    pub event_id: String,
    /// The class of reason.
    pub code: String,
    /// What is wrong.
    pub reason: String,
    /// The salt of the entry's `payload_commitment`, in hex.
    pub payload_salt: String,
    /// The salt of the entry's `headers_commitment`, in hex.
    pub headers_salt: String,
}

impl QuarantineEntry {
    /// The commitments that the entry's row must have, by field.
    pub fn commitments(&self, delivery: &DeliveryDigests) -> Option<BTreeMap<String, String>> {
        let fields = [
            ("payload", &self.payload_salt, &delivery.payload),
            ("headers", &self.headers_salt, &delivery.headers),
        ];
        let committed = fields.map(|(field, salt, value)| {
            let salt = salt_of(salt)?;
            Some((field.to_owned(), commitment(&salt, &self.event_id, field, value.as_bytes())))
        });
        committed.into_iter().collect()
    }
}

impl QuarantineRecord {
    fn to_json(&self) -> Json {
        let mut map = Map::new();
        self.delivery.write_to(&mut map);
        let entries = self.entries.iter().map(|entry| {
            let fields = [
                ("code", &entry.code),
                ("event_id", &entry.event_id),
                ("headers_salt", &entry.headers_salt),
                ("payload_salt", &entry.payload_salt),
                ("reason", &entry.reason),
            ];
            Json::from_iter(fields.map(|(key, value)| (key.to_owned(), value.clone())))
        });
        map.insert("entries".into(), entries.collect());
        map.insert("id".into(), self.id.clone().into());
        map.insert("received_at".into(), self.received_at.clone().into());
        map.insert("source".into(), self.source.clone().into());
        if let Some(reception) = &self.reception {
            map.insert("reception".into(), reception_json(reception));
        }
        sorted(map)
    }

    /// The payload of the frame.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_json().to_string().into_bytes()
    }

    /// Reads the payload of a frame.
    ///
    /// # Errors
    /// It is not exactly what [`Self::to_bytes`] gives.
    pub fn parse(payload: &[u8]) -> Result<Self, Error> {
        let entry = |json: Json| {
            let Json::Object(mut map) = json else { return None };
            Some(QuarantineEntry {
                event_id: text(&mut map, "event_id")?,
                code: text(&mut map, "code")?,
                reason: text(&mut map, "reason")?,
                payload_salt: text(&mut map, "payload_salt")?,
                headers_salt: text(&mut map, "headers_salt")?,
            })
        };
        let read = move |map: &mut Map<String, Json>| {
            let Json::Array(entries) = map.remove("entries")? else { return None };
            Some(Self {
                id: text(map, "id")?,
                delivery: DeliveryRecord::read_from(map)?,
                source: text(map, "source")?,
                received_at: text(map, "received_at")?,
                reception: match map.remove("reception") {
                    Some(Json::Object(mut map)) => Some(reception_of(&mut map)?),
                    Some(_) => return None,
                    None => None,
                },
                entries: entries.into_iter().map(entry).collect::<Option<_>>()?,
            })
        };
        parse(payload, read, Self::to_bytes)
    }
}

fn reception_json(reception: &Reception) -> Json {
    let mut map = Map::new();
    if let Some(id) = &reception.authn_key_id {
        map.insert("authn_key_id".into(), id.clone().into());
    }
    map.insert("authn_method".into(), reception.authn_method.clone().into());
    map.insert("authn_verified".into(), reception.authn_verified.into());
    map.insert("ingest_mode".into(), reception.ingest_mode.clone().into());
    if let Some(instance) = &reception.instance {
        map.insert("instance".into(), instance.clone().into());
    }
    sorted(map)
}

fn reception_of(map: &mut Map<String, Json>) -> Option<Reception> {
    Some(Reception {
        ingest_mode: text(map, "ingest_mode")?,
        authn_method: text(map, "authn_method")?,
        authn_verified: map.remove("authn_verified")?.as_bool()?,
        authn_key_id: text(map, "authn_key_id"),
        instance: text(map, "instance"),
    })
}

/// All frames of a file behind its header, as type and payload.
///
/// # Errors
/// The header is another one, or the file does not end where a frame ends.
pub fn records<'a>(
    bytes: &'a [u8],
    format: &str,
    origin: &str,
    first: u64,
) -> Result<Vec<frame::Frame<'a>>, Error> {
    let mut frames = Frames::new(bytes);
    frame::check_header(frames.next(), format, origin, first)?;
    let records = frames.by_ref().collect();
    match frames.end() {
        Some((End::Clean, _)) => Ok(records),
        _ => Err(Error::tampered(format!("damaged at offset {}", frames.at()))),
    }
}
