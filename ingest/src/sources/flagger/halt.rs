//! Why Flagger did not go on, in its words.
//!
//! Source: `pkg/controller/scheduler_metrics.go` and `scheduler_hooks.go` in Flagger: all are `Halt … advancement …`.

use backtrail_schemas::Draft;

use crate::words::is_decimal;

/// What a release was halted by.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Halt<'m> {
    /// A gate.
    Waits,
    /// A metric without values: the canary gets no traffic, or the metrics no data.
    NoData { metric: Option<&'m str> },
    /// A metric or a check.
    Breach { name: Option<&'m str>, value: Option<&'m str>, threshold: Option<&'m str> },
}

impl<'m> Halt<'m> {
    /// Reads a message; `None` where it tells of something else.
    pub(super) fn read(message: &'m str) -> Option<Self> {
        let (_, why) = message.strip_prefix("Halt ")?.split_once("advancement ")?;
        if why.starts_with("waiting for ") {
            return Some(Self::Waits);
        }
        if why.starts_with("no values found") {
            let after =
                why.split_once("metric").map(|(_, rest)| rest.trim_start_matches([':', ' ']));
            let metric = after.and_then(|rest| rest.split([' ', ':']).next());
            return Some(Self::NoData { metric: metric.filter(|name| !name.is_empty()) });
        }
        for check in ["external check ", "pre-rollout check "] {
            if let Some(rest) = why.strip_prefix(check) {
                let name = rest.split_once(" failed").map(|(name, _)| name);
                return Some(Self::Breach { name, value: None, threshold: None });
            }
        }
        Some(measured(why))
    }

    /// Puts what was measured into the columns of a health row; at a gate nothing was.
    pub(super) fn put(&self, draft: &mut Draft) {
        let (name, state) = match self {
            Self::NoData { metric } => (*metric, "no_data"),
            Self::Breach { name, .. } => (*name, "breached"),
            Self::Waits => return,
        };
        draft.event.put("signal", name.unwrap_or("canary_analysis"));
        draft.event.put("signal_kind", "analysis");
        draft.event.put("signal_state", state);
        if let Self::Breach { value: Some(value), threshold: Some(threshold), .. } = self {
            draft.event.put_some("signal_unit", value.ends_with('%').then_some("%"));
            for (column, text) in [("signal_value", value), ("signal_threshold", threshold)] {
                let number = text.trim_end_matches('%');
                draft.event.put_some(column, is_decimal(number).then_some(number));
            }
        }
    }
}

/// Reads `success rate 91.20% < 99%`. The two metrics that Flagger has itself are called as in a canary.
fn measured(why: &str) -> Halt<'_> {
    let mut parts = why.rsplitn(4, ' ');
    let (threshold, sign, value, name) = (parts.next(), parts.next(), parts.next(), parts.next());
    if !matches!(sign, Some("<" | ">")) {
        return Halt::Breach { name: None, value: None, threshold: None };
    }
    let name = name.map(|name| match name {
        "success rate" => "request-success-rate",
        "request duration" => "request-duration",
        other => other,
    });
    Halt::Breach { name, value, threshold }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_halt_names_its_metric() {
        let breach = |name, value, threshold| Halt::Breach { name, value, threshold };
        for (message, want) in [
            (
                "Halt cart.shop advancement success rate 91.20% < 99%",
                breach(Some("request-success-rate"), Some("91.20%"), Some("99%")),
            ),
            (
                "Halt cart.shop advancement request duration 1.2s > 500ms",
                breach(Some("request-duration"), Some("1.2s"), Some("500ms")),
            ),
            (
                "Halt cart.shop advancement lost carts 4.00 > 1",
                breach(Some("lost carts"), Some("4.00"), Some("1")),
            ),
            (
                "Halt cart.shop advancement external check smoke failed waiting for 3 > 2",
                breach(Some("smoke"), None, None),
            ),
            ("Halt cart.shop advancement for once", breach(None, None, None)),
            (
                "Halt advancement no values found for custom metric: lost-carts: nothing",
                Halt::NoData { metric: Some("lost-carts") },
            ),
            (
                "Halt advancement no values found for istio metric request-duration probably cart.shop \
                 is not receiving traffic",
                Halt::NoData { metric: Some("request-duration") },
            ),
            ("Halt cart.shop advancement waiting for promotion approval board", Halt::Waits),
        ] {
            assert_eq!(Halt::read(message), Some(want), "{message}");
        }
        for other in ["Halt", "Advance cart.shop canary weight 20", "Halt cart.shop"] {
            assert_eq!(Halt::read(other), None, "{other}");
        }
    }
}
