//! The list of `views/*.sql`, in their order.

use crate::header;

/// One view.
#[derive(Clone, Debug)]
pub struct View {
    /// The table name.
    pub name: &'static str,
    /// The whole file.
    pub sql: &'static str,
    /// Whether its rows are computed once and kept; the others are put into each query that reads them.
    pub kept: bool,
}

impl View {
    /// What one row is, from the file's header.
    pub fn shows(&self) -> String {
        header::field(self.sql, "shows").unwrap_or_default()
    }
}

macro_rules! files {
    ($($file:literal),* $(,)?) => {
        &[$(($file, include_str!(concat!("../views/", $file, ".sql")))),*]
    };
}

/// File names without `.sql`: the order number, `_`, the view's name. A view reads only views above it.
const FILES: &[(&str, &str)] = files![
    "10_events",
    "10_id_clashes",
    "10_identities",
    "10_instance_ids",
    "10_renamed_people",
    "10_resolved_events",
    "11_facts",
    "12_approval_rows",
    "13_person_directories",
    "14_missed_pushes",
    "14_quarantined_deliveries",
    "15_source_statements",
    "16_source_gaps",
    "17_source_days",
    "20_version_identities",
    "21_rollback_rows",
    "22_deployment_rows",
    "23_deployment_marks",
    "24_rollback_slots",
    "25_deployment_lives",
    "26_deployments",
    "27_slot_history",
    "28_oscillation_episodes",
    "30_rollback_attempts",
    "31_rollback_statements",
    "32_rollback_slot_blames",
    "33_sli_samples",
    "34_sli_spans",
    "35_rollback_holds",
    "40_rollback_marks",
    "50_incident_rows",
    "51_incident_segments",
    "52_incident_cuts",
    "53_incident_generations",
    "54_incident_roots",
    "54_incident_services",
    "55_ties",
    "56_incident_folds",
    "57_incident_marks",
    "58_incident_blocks",
    "59_incident_spans",
    "60_incident_passes",
    "61_incident_splits",
    "62_incident_links",
    "63_incident_recoveries",
    "64_incidents",
    "65_incident_events",
    "70_rollbacks",
    "71_rollback_episodes",
    "72_cooldowns",
    "73_reapplies",
    "74_rollback_times",
    "80_timeline",
    "81_services",
    "82_approvals",
    "83_overrides",
    "84_verifications",
    "85_drills",
    "86_postmortems",
    "87_action_items",
    "88_incident_samples",
    "89_runbook_runs",
    "90_divergence_checks",
    "91_flag_changes",
    "92_artifact_checks",
];

/// All views, in order.
pub fn all() -> Vec<View> {
    let view = |(file, sql): &(&'static str, &'static str)| {
        let name = file.split_once('_').expect("a test checks the names").1;
        View { name, sql, kept: header::field(sql, "kept").as_deref() != Some("no") }
    };
    FILES.iter().map(view).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_listed_in_order_under_its_own_name() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/views");
        let mut found: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter_map(|name| name.strip_suffix(".sql").map(str::to_owned))
            .collect();
        found.sort();
        let listed: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        assert_eq!(listed, found);
        for view in all() {
            assert_eq!(header::field(view.sql, "view").as_deref(), Some(view.name));
            assert!(!view.shows().is_empty(), "{} says what it shows", view.name);
        }
    }
}
