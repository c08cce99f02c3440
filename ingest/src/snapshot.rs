//! An incident as a source keeps it: a record that is changed in place and read again and again.
//!
//! Each mark with a time of its own is one row that never says more than the mark, so that every later reading of the
//! record meets it. What may still change (title, severity, service, the claims of the record) is a row per change.

use backtrail_schemas::{Draft, Identity, Reject, Timestamp};

use crate::facts::{Facts, When, put_actor};

/// One incident, with the marks read so far.
pub(crate) struct Snapshot<'f> {
    facts: &'f Facts<'f>,
    /// What the source knows the record by.
    key: String,
    incident_id: String,
    marks: Vec<Draft>,
}

/// Who did it, and what kind of actor that is.
pub(crate) type Actor = (Identity, Option<&'static str>);

impl<'f> Snapshot<'f> {
    pub(crate) fn new(facts: &'f Facts<'f>, key: String, incident_id: String) -> Self {
        Self { facts, key, incident_id, marks: Vec::new() }
    }

    /// A mark, if the record has its time.
    pub(crate) fn mark(
        &mut self,
        phase: &'static str,
        when: Option<When>,
        actor: Option<Actor>,
    ) -> Option<&mut Draft> {
        let mut draft = self.row(phase, when?, "");
        put_actor(&mut draft, actor);
        self.marks.push(draft);
        self.marks.last_mut()
    }

    /// The marks, and what the record says since `changed`: once per service, and once without any.
    pub(crate) fn drafts(
        mut self,
        changed: Timestamp,
        services: &[&str],
        state: impl Fn(&mut Draft) -> Result<(), Reject>,
    ) -> Result<Vec<Draft>, Reject> {
        let services = if services.is_empty() { &[""] } else { services };
        for service in services {
            let mut draft = self.row("annotated", When::state(changed), service);
            draft.event.put_some("service", Some(*service).filter(|s| !s.is_empty()));
            state(&mut draft)?;
            self.marks.push(draft);
        }
        Ok(self.marks)
    }

    fn row(&self, phase: &str, when: When, service: &str) -> Draft {
        let key = format!("incident:{}:{}:{service}", self.key, when.at.micros());
        let mut draft = self.facts.draft("incident", phase, &key, when);
        draft.event.put("incident_id", self.incident_id.as_str());
        draft
    }
}
