//! Reading every list of a source, page by page; a page is durable in the log before the next one is asked for.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use backtrail_ingest::limits::BATCH_DELIVERIES_MAX;
use backtrail_ingest::{Context, Totals, map};
use backtrail_ledger::{Appender, Submission};
use backtrail_schemas::{Delivery, Mapped, Timestamp};
use serde_json::Value;

use super::cursor::{Cursor, Kept, Walk, day_of};
use super::http::Client;
use super::limits::REMEMBERED_MAX;
use super::plan::{Ask, List, Order, Place, Purpose, Window, settled, wanted};
use super::section::Access;
use crate::exit::{Failure, UNAVAILABLE};

/// Where deliveries go.
pub(super) enum Sink<'a> {
    /// Into the log.
    Ledger(&'a mut dyn Appender),
    /// To whoever looks.
    Shown(&'a mut dyn FnMut(&Mapped) -> Result<(), Failure>),
}

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) totals: Totals,
    /// Distinct facts by the day (UTC) on which they happened.
    pub(super) facts: BTreeMap<Timestamp, i64>,
    /// Whether all of the window was read at once and each fact remembered, so that `facts` is whole.
    pub(super) counted: bool,
    /// Pushes that failed and were not repeated with success; `None` if the source does not say.
    pub(super) failed_pushes: Option<usize>,
}

/// One reading.
pub(super) struct Reading<'a> {
    pub(super) access: &'a Access,
    pub(super) window: Window,
    pub(super) context: &'a Context,
    pub(super) now: Timestamp,
    pub(super) client: Client<'a>,
    pub(super) sink: Sink<'a>,
    /// Where the reading is kept; `None` for one that leaves nothing.
    pub(super) kept: Option<(&'a Kept, &'a mut Cursor)>,
    seen: HashSet<u64>,
    facts_seen: HashSet<u64>,
    pushes: HashMap<String, bool>,
    read: Read,
}

impl<'a> Reading<'a> {
    pub(super) fn new(
        (access, window): (&'a Access, Window),
        (context, now): (&'a Context, Timestamp),
        client: Client<'a>,
        sink: Sink<'a>,
        kept: Option<(&'a Kept, &'a mut Cursor)>,
    ) -> Self {
        let (seen, facts_seen, pushes) = (HashSet::new(), HashSet::new(), HashMap::new());
        let read = Read { counted: true, ..Read::default() };
        Self { access, window, context, now, client, sink, kept, seen, facts_seen, pushes, read }
    }

    /// Reads every list that is not read yet.
    ///
    /// # Errors
    /// The source or the log failed. What was read is durable, and the cursor says what comes next.
    pub(super) fn run(mut self) -> Result<Read, Failure> {
        let walk = self.kept.as_ref().and_then(|(_, cursor)| cursor.walk.clone());
        let done = walk.as_ref().map_or(0, |walk| walk.lists_done);
        let mut resumed = walk.map(|walk| walk.next()).transpose()?.flatten();
        self.read.counted = done == 0 && resumed.is_none();
        for (list, place) in self.access.lists().iter().skip(done) {
            self.list(list, place, resumed.take())?;
            self.keep(|walk| {
                walk.lists_done += 1;
                walk.set_next(None);
            })?;
        }
        if self.access.lists().iter().any(|(list, _)| list.purpose == Purpose::Pushes) {
            self.read.failed_pushes =
                Some(self.pushes.values().filter(|arrived| !**arrived).count());
        }
        Ok(self.read)
    }

    fn list(
        &mut self,
        list: &'static List,
        place: &Place,
        resumed: Option<Ask>,
    ) -> Result<(), Failure> {
        let whole = resumed.is_none();
        let mut ask = resumed.unwrap_or_else(|| Ask::first(list, self.window));
        let (mut stated, mut read) = (None, 0);
        let mut asked = HashSet::new();
        loop {
            let path = ask.path(list, place, self.window);
            self.leads_on(&mut asked, &ask, &path, (list, place))?;
            let answer = self.client.page(list, &path)?;
            stated = stated.or(answer.total);
            read += answer.page.elements.len() as u64;
            self.page(list, place, &answer.page.elements)?;
            let next = ask.next(list, &answer.page, self.window);
            let next = next.map_err(|what| self.incomplete(list, place, &what))?;
            let Some(next) = next else { break };
            self.keep(|walk| walk.set_next(Some(&next)))?;
            ask = next;
        }
        // A list by change ends early where what follows is after the window.
        let ended = list.order == Order::Any;
        match stated.filter(|stated| whole && ended && *stated > read) {
            Some(stated) => {
                let what = format!("the API says that there are {stated}, and lists {read}");
                Err(self.incomplete(list, place, &what))
            }
            None => Ok(()),
        }
    }

    fn page(
        &mut self,
        list: &'static List,
        place: &Place,
        elements: &[Value],
    ) -> Result<(), Failure> {
        let window = self.window;
        let mut submissions = Vec::new();
        for element in elements.iter().filter(|one| wanted(list, one, window)) {
            if list.purpose == Purpose::Pushes {
                self.pushed(element);
                continue;
            }
            submissions.extend(self.submission(list, place, element));
            if let Some(below) = list.below {
                submissions.extend(self.below(below, place, element)?);
            }
            if submissions.len() >= BATCH_DELIVERIES_MAX {
                self.submit(std::mem::take(&mut submissions))?;
            }
        }
        self.submit(submissions)
    }

    /// What the list below `element` holds, to its end.
    fn below(
        &mut self,
        list: &'static List,
        place: &Place,
        element: &Value,
    ) -> Result<Vec<Submission>, Failure> {
        let id = element.get("id").map(Value::to_string).unwrap_or_default();
        let (place, window) = (Place { id, ..place.clone() }, self.window);
        let mut ask = Some(Ask::first(list, window));
        let (mut submissions, mut asked) = (Vec::new(), HashSet::new());
        while let Some(now) = ask {
            let path = now.path(list, &place, window);
            self.leads_on(&mut asked, &now, &path, (list, &place))?;
            let page = self.client.page(list, &path)?.page;
            let settled = page.elements.iter().filter(|one| settled(list, one, window));
            for one in settled {
                submissions.extend(self.submission(list, &place, one));
            }
            let next = now.next(list, &page, window);
            ask = next.map_err(|what| self.incomplete(list, &place, &what))?;
        }
        Ok(submissions)
    }

    /// Whether a link leads to a page that was not read yet: else the list would have no end. What we ask by ourselves may be
    /// the same again, where two changes are in one second.
    fn leads_on(
        &self,
        asked: &mut HashSet<u64>,
        ask: &Ask,
        path: &str,
        (list, place): (&List, &Place),
    ) -> Result<(), Failure> {
        if asked.insert(fingerprint(path)) || ask.link.is_none() {
            return Ok(());
        }
        let what = format!("the API names {path} as the next page, which was read already");
        Err(self.incomplete(list, place, &what).hint(
            "what was read is kept; run the same command again, and tell whoever runs the API if it stays so",
        ))
    }

    /// A delivery of one element, mapped; `None` if this reading had the same before.
    fn submission(&mut self, list: &List, place: &Place, element: &Value) -> Option<Submission> {
        let body = element.to_string().into_bytes();
        let known = fingerprint((list.name, &body));
        if self.seen.len() < REMEMBERED_MAX && !self.seen.insert(known) {
            return None;
        }
        let delivery = Delivery {
            received_at: Some(self.now),
            source: Some(self.access.api.source.to_owned()),
            body,
            reception: self.context.reception(self.access.api.source),
            origin: [list.name, place.of.as_str()].join(" ").trim_end().to_owned(),
            ..Delivery::default()
        };
        let mapped = map(&delivery, self.context);
        Some(Submission { delivery, mapped })
    }

    fn submit(&mut self, submissions: Vec<Submission>) -> Result<(), Failure> {
        for mapped in submissions.iter().map(|submission| &submission.mapped) {
            self.count(mapped);
        }
        match &mut self.sink {
            Sink::Shown(show) => {
                for submission in &submissions {
                    self.read.totals.count_mapped(&submission.mapped);
                    show(&submission.mapped)?;
                }
            }
            Sink::Ledger(_) if submissions.is_empty() => {}
            Sink::Ledger(ledger) => {
                for receipt in ledger.append(submissions)? {
                    self.read.totals.count(&receipt);
                }
            }
        }
        Ok(())
    }

    /// Counts the facts by day, each once.
    fn count(&mut self, mapped: &Mapped) {
        for draft in &mapped.drafts {
            let at = draft.event.timestamp("occurred_at");
            let (Some(id), Some(at)) = (draft.event.text("event_id"), at) else { continue };
            if self.facts_seen.len() == REMEMBERED_MAX {
                self.read.counted = false;
                return;
            }
            if self.facts_seen.insert(fingerprint(id)) {
                *self.read.facts.entry(day_of(at)).or_default() += 1;
            }
        }
    }

    /// A delivery may be repeated under the same id: it arrived if any did.
    fn pushed(&mut self, element: &Value) {
        let id =
            element.get("guid").or(element.get("id")).map(Value::to_string).unwrap_or_default();
        let arrived =
            element["status_code"].as_u64().is_some_and(|code| (200..300).contains(&code));
        if self.pushes.len() < REMEMBERED_MAX {
            *self.pushes.entry(id).or_default() |= arrived;
        }
    }

    /// Changes the kept reading, once what it says is durable.
    fn keep(&mut self, change: impl FnOnce(&mut Walk)) -> Result<(), Failure> {
        let Some((kept, cursor)) = &mut self.kept else { return Ok(()) };
        if let Some(walk) = &mut cursor.walk {
            change(walk);
        }
        kept.save(cursor)
    }

    fn incomplete(&self, list: &List, place: &Place, what: &str) -> Failure {
        let of = if place.of.is_empty() { String::new() } else { format!(" of {}", place.of) };
        Failure::new(
            UNAVAILABLE,
            format_args!("{}: {}{of}: {what}", self.access.api.source, list.name),
        )
        .hint("read less at once: --since and --until with a shorter span")
    }
}

/// A number for what is remembered of many values.
fn fingerprint(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
