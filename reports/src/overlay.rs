//! The user's overlay: parameters and exemptions, beside the pack and never in it.

use std::collections::BTreeMap;

use backtrail_schemas::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::limits::EXEMPTION_DAYS_MAX;
use crate::pack::{Control, Pack};

/// What an organisation sets for itself.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overlay {
    /// By control, by parameter.
    #[serde(default)]
    pub parameters: BTreeMap<String, BTreeMap<String, i64>>,
    /// What the report is about.
    #[serde(default)]
    pub scope: Scope,
    /// Items that are not held against a control.
    #[serde(default, rename = "exemption")]
    pub exemptions: Vec<Exemption>,
}

/// What the report is about, in the organisation's words; printed, and never a filter.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// A sentence or two for the cover.
    #[serde(default)]
    pub statement: Option<String>,
}

/// A decision not to hold some items against a control. It never hides what they came to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Exemption {
    /// The control.
    pub control: String,
    /// The items by id; empty: every item that `matching` fits.
    #[serde(default)]
    pub items: Vec<String>,
    /// Evidence columns with the value they must have, such as `service`.
    #[serde(default, rename = "where")]
    pub matching: BTreeMap<String, String>,
    /// Why.
    pub reason: String,
    /// Who approved it.
    pub approved_by: String,
    /// When; it covers nothing that happened before. RFC 3339.
    pub approved_at: String,
    /// When it ends; it covers nothing that happened from then on. RFC 3339.
    pub expires_at: String,
    /// What is done instead.
    pub compensating_control: String,
}

impl Overlay {
    /// Reads an overlay and holds it against the pack.
    ///
    /// # Errors
    /// It does not parse, names an unknown control or parameter, sets a value outside its range, or has an exemption
    /// without an end, for too long, or for everything.
    pub fn parse(text: &str, pack: &Pack) -> Result<Self, Error> {
        let overlay: Self =
            toml::from_str(text).map_err(|e| Error::reject(format!("overlay: {e}")))?;
        for (id, values) in &overlay.parameters {
            let control = pack.control(id)?;
            values.iter().try_for_each(|(name, value)| check_value(control, name, *value))?;
        }
        for exemption in &overlay.exemptions {
            exemption.check(pack)?;
        }
        Ok(overlay)
    }

    /// The value in force of each parameter of `control`.
    pub fn parameters_of(&self, control: &Control) -> BTreeMap<String, i64> {
        let given = self.parameters.get(&control.id);
        let value = |name: &String, default| *given.and_then(|g| g.get(name)).unwrap_or(&default);
        control.parameters.iter().map(|(name, p)| (name.clone(), value(name, p.default))).collect()
    }
}

fn check_value(control: &Control, name: &str, value: i64) -> Result<(), Error> {
    let parameter = control.parameters.get(name).ok_or_else(|| {
        Error::reject(format!("overlay: {} has no parameter `{name}`", control.id))
    })?;
    if (parameter.min..=parameter.max).contains(&value) {
        return Ok(());
    }
    let (id, min, max) = (&control.id, parameter.min, parameter.max);
    Err(Error::reject(format!("overlay: {id} `{name}` = {value} is outside {min} to {max}")))
}

impl Exemption {
    fn check(&self, pack: &Pack) -> Result<(), Error> {
        pack.control(&self.control)?;
        let wrong = |why: &str| Err(Error::reject(format!("exemption of {}: {why}", self.control)));
        if self.items.is_empty() && self.matching.is_empty() {
            return wrong("names no items");
        }
        let texts = [&self.reason, &self.approved_by, &self.compensating_control];
        if texts.iter().any(|text| text.trim().is_empty()) {
            return wrong("reason, approved_by and compensating_control must say something");
        }
        match self.span() {
            Some((from, to)) if from < to => {
                let days = (to.micros() - from.micros()) / 86_400_000_000;
                if days <= EXEMPTION_DAYS_MAX { Ok(()) } else { wrong("runs longer than a year") }
            }
            Some(_) => wrong("ends before it begins"),
            None => wrong("approved_at and expires_at must be RFC 3339 times"),
        }
    }

    fn span(&self) -> Option<(Timestamp, Timestamp)> {
        let time = |text: &str| Timestamp::parse_rfc3339(text).ok();
        Some((time(&self.approved_at)?, time(&self.expires_at)?))
    }

    /// Whether it covers an item of `control` that happened `at`.
    pub fn covers(
        &self,
        control: &str,
        item_id: &str,
        at: Option<Timestamp>,
        column: impl Fn(&str) -> Option<String>,
    ) -> bool {
        let in_force = match (self.span(), at) {
            (Some((from, to)), Some(at)) => from <= at && at < to,
            _ => false,
        };
        self.control == control
            && in_force
            && (self.items.is_empty() || self.items.iter().any(|id| id == item_id))
            && self.matching.iter().all(|(name, want)| column(name).as_ref() == Some(want))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack;

    const GOOD: &str = r#"
        [parameters.RBK-03]
        verified_within_s = 900
        [[exemption]]
        control = "CHG-02"
        where = { service = "legacy-fax" }
        reason = "retired at the end of the quarter"
        approved_by = "head of operations"
        approved_at = "2026-10-01T00:00:00Z"
        expires_at = "2026-11-01T00:00:00Z"
        compensating_control = "weekly manual check"
    "#;

    #[test]
    fn an_overlay_sets_parameters_and_exempts_by_time() {
        let overlay = Overlay::parse(GOOD, pack::core()).unwrap();
        let control = pack::core().control("RBK-03").unwrap();
        assert_eq!(overlay.parameters_of(control)["verified_within_s"], 900);
        let service = |name: &str| (name == "service").then(|| "legacy-fax".to_owned());
        for (at, want) in [
            ("2026-09-30T23:59:59Z", false),
            ("2026-10-01T00:00:00Z", true),
            ("2026-10-31T23:59:59Z", true),
            ("2026-11-01T00:00:00Z", false),
        ] {
            let at = Timestamp::parse_rfc3339(at).unwrap();
            assert_eq!(
                overlay.exemptions[0].covers("CHG-02", "d-1", Some(at), service),
                want,
                "{at}"
            );
            assert!(!overlay.exemptions[0].covers("CHG-05", "d-1", Some(at), service));
            assert!(!overlay.exemptions[0].covers("CHG-02", "d-1", Some(at), |_| None));
        }
        assert!(!overlay.exemptions[0].covers("CHG-02", "d-1", None, service));
    }

    #[test]
    fn an_overlay_that_says_too_little_or_too_much_is_refused() {
        for (from, to) in [
            ("control = \"CHG-02\"", "control = \"CHG-99\""),
            ("where = { service = \"legacy-fax\" }", ""),
            ("expires_at = \"2026-11-01T00:00:00Z\"", ""),
            ("expires_at = \"2026-11-01T00:00:00Z\"", "expires_at = \"2028-11-01T00:00:00Z\""),
            ("expires_at = \"2026-11-01T00:00:00Z\"", "expires_at = \"2026-09-01T00:00:00Z\""),
            ("approved_by = \"head of operations\"", "approved_by = \" \""),
            ("= 900", "= 1"),
            ("verified_within_s", "verified_within"),
        ] {
            assert!(Overlay::parse(&GOOD.replace(from, to), pack::core()).is_err(), "{to}");
        }
    }
}
