//! Control packs: what is tested, as data. A pack is embedded in the binary; nothing in it is code.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::hash::sha256;
use data_encoding::HEXLOWER;
use serde::Deserialize;

use crate::error::Error;
use crate::integrity::Integrity;

/// A control pack: controls, the frameworks that map to them, and the sizes of samples.
#[derive(Clone, Debug)]
pub struct Pack {
    /// Who it is and which version.
    pub head: Head,
    /// The controls, in the order in which pages list them.
    pub controls: Vec<Control>,
    /// The frameworks.
    pub frameworks: Vec<Framework>,
    /// How large samples are.
    pub sampling: Sampling,
    /// SHA-256 over all files of the pack, in hex: name, LF, content, LF, in order of their names.
    pub digest: String,
}

/// `pack.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    schema: String,
    /// The pack's name.
    pub id: String,
    /// The pack's version.
    pub version: String,
    /// What it is called on a page.
    pub title: String,
    /// Who publishes it.
    pub publisher: String,
    /// Its licence, as an SPDX expression.
    pub licence: String,
    controls: Vec<String>,
    frameworks: Vec<String>,
}

/// One control: `<ID>.toml` with its two queries and its fixture.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    schema: String,
    /// The id, such as `CHG-02`.
    pub id: String,
    /// The version of the definition.
    pub version: String,
    /// The group it is listed under.
    pub family: String,
    /// A few words.
    pub title: String,
    /// What holds if the control works.
    pub statement: String,
    /// What one row of the population is.
    pub item: String,
    /// What was done, in the wording of a service auditor's description of tests.
    pub procedure: String,
    /// What to do about exceptions.
    pub remediation: String,
    /// How often the control acts; decides how samples are drawn.
    pub frequency: String,
    /// The only tables that the queries may read.
    pub reads: Vec<String>,
    /// Thresholds of the control.
    #[serde(default)]
    pub parameters: BTreeMap<String, Parameter>,
    /// Every reason code that the query may give.
    #[serde(rename = "reason")]
    pub reasons: Vec<Reason>,
    /// The evidence columns, in the order in which a page shows them.
    #[serde(rename = "column")]
    pub columns: Vec<Column>,
    /// When the fixture is looked at.
    pub fixture: FixtureTimes,
    /// `<ID>.sql`: one row per item of the population.
    #[serde(skip)]
    pub sql: String,
    /// `<ID>.count.sql`: how many items there must be.
    #[serde(skip)]
    pub count_sql: String,
    /// `fixtures/<ID>.ndjson`: the events of the fixture.
    #[serde(skip)]
    pub fixture_events: &'static str,
    /// `fixtures/<ID>.csv`: what the query must give for them.
    #[serde(skip)]
    pub fixture_expected: &'static str,
}

/// A threshold of a control.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// What it decides, with its unit.
    pub meaning: String,
    /// Its value unless an overlay says otherwise.
    pub default: i64,
    /// The smallest value that an overlay may set.
    pub min: i64,
    /// The largest value that an overlay may set.
    pub max: i64,
}

/// One of the closed list of answers that a control's query may give for an item.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// The code.
    pub code: String,
    /// What it means for the item.
    pub status: Status,
    /// Whether the control cannot be concluded while an item has it.
    #[serde(default)]
    pub inconclusive: bool,
    /// What it says, as a sentence fragment.
    pub meaning: String,
}

/// An evidence column.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Its name in the query.
    pub name: String,
    /// Its heading on a page.
    pub title: String,
}

/// Period and `as_of` of a fixture.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FixtureTimes {
    /// The period.
    pub period: String,
    /// The instant whose knowledge is used.
    pub as_of: String,
    /// The verifier's result; by default that everything holds.
    #[serde(default)]
    pub integrity: Option<Integrity>,
}

/// What an item of a population came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The good case.
    Pass,
    /// Everything that is not known to be good.
    Fail,
    /// Tested elsewhere, or exempted by name.
    Exempt,
    /// The question does not arise for this item, or the log cannot answer it.
    NotApplicable,
}

impl Status {
    /// The word in SQL and in every file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Exempt => "exempt",
            Self::NotApplicable => "not_applicable",
        }
    }
}

/// A framework: requirements in our own words, and the controls that speak to them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Framework {
    schema: String,
    /// The name by which a report is asked for.
    pub id: String,
    /// The name on a page.
    pub title: String,
    /// Where the ids are from and what the statements are.
    pub note: String,
    /// Every requirement, those without an automated test too.
    #[serde(rename = "requirement")]
    pub requirements: Vec<Requirement>,
}

/// One requirement of a framework.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// An id that OSCAL accepts as a token.
    pub id: String,
    /// The citation as people write it, where it differs from the id.
    #[serde(default)]
    pub label: Option<String>,
    /// `R` required or `A` addressable, for HIPAA.
    #[serde(default)]
    pub level: Option<String>,
    /// What it asks for, in our own words.
    pub statement: String,
    /// The controls that test it, at least in part.
    pub controls: Vec<String>,
    /// Evidence that a person has to bring.
    pub manual: Vec<String>,
}

impl Requirement {
    /// The citation as people write it.
    pub fn label(&self) -> &str {
        self.label.as_deref().unwrap_or(&self.id)
    }
}

/// `sampling.toml`: how many items are drawn.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sampling {
    schema: String,
    /// How items are drawn, in words.
    pub method: String,
    /// Populations up to this size are looked at whole.
    pub all_up_to: u64,
    /// From this size on, `size` items are drawn.
    pub small_below: u64,
    /// The least that is drawn from a small population.
    pub small_min: u64,
    /// The share of a small population that is drawn, per thousand, rounded up.
    pub small_per_mille: u64,
    /// What is drawn from a large population.
    pub size: u64,
}

/// The pack that the binary carries.
///
/// # Panics
/// Never: a test loads it.
pub fn core() -> &'static Pack {
    static CORE: LazyLock<Pack> =
        LazyLock::new(|| load(CORE_FILES).expect("the pack in the binary is checked by a test"));
    &CORE
}

/// Reads a pack from its files, given by name and content.
///
/// # Errors
/// A file is missing, does not parse, or names what the pack does not have.
pub fn load(files: &[(&'static str, &'static str)]) -> Result<Pack, Error> {
    let head: Head = parse(files, "pack.toml")?;
    expect_schema("pack.toml", &head.schema, "control-pack/1")?;
    let controls: Vec<Control> =
        head.controls.iter().map(|id| load_control(files, id)).collect::<Result<_, _>>()?;
    let frameworks: Vec<Framework> = head
        .frameworks
        .iter()
        .map(|id| parse(files, &format!("frameworks/{id}.toml")))
        .collect::<Result<_, _>>()?;
    let sampling: Sampling = parse(files, "sampling.toml")?;
    expect_schema("sampling.toml", &sampling.schema, "sampling/1")?;
    let pack = Pack { head, controls, frameworks, sampling, digest: digest(files) };
    pack.frameworks.iter().try_for_each(|framework| pack.check_framework(framework))?;
    Ok(pack)
}

fn load_control(files: &[(&'static str, &'static str)], id: &str) -> Result<Control, Error> {
    let name = format!("{id}.toml");
    let mut control: Control = parse(files, &name)?;
    expect_schema(&name, &control.schema, "control/1")?;
    if control.id != *id {
        return Err(Error::reject(format!("{name}: is about `{}`", control.id)));
    }
    file(files, &format!("{id}.sql"))?.clone_into(&mut control.sql);
    file(files, &format!("{id}.count.sql"))?.clone_into(&mut control.count_sql);
    control.fixture_events = file(files, &format!("fixtures/{id}.ndjson"))?;
    control.fixture_expected = file(files, &format!("fixtures/{id}.csv"))?;
    for (name, parameter) in &control.parameters {
        if !(parameter.min..=parameter.max).contains(&parameter.default) {
            return Err(Error::reject(format!("{id}: parameter `{name}` is outside its range")));
        }
    }
    Ok(control)
}

impl Pack {
    /// The control called `id`.
    ///
    /// # Errors
    /// The pack has none of that name.
    pub fn control(&self, id: &str) -> Result<&Control, Error> {
        let found = self.controls.iter().find(|control| control.id == id);
        found.ok_or_else(|| Error::reject(format!("the pack has no control `{id}`")))
    }

    /// The framework called `id`.
    ///
    /// # Errors
    /// The pack has none of that name.
    pub fn framework(&self, id: &str) -> Result<&Framework, Error> {
        let found = self.frameworks.iter().find(|framework| framework.id == id);
        found.ok_or_else(|| Error::reject(format!("the pack has no framework `{id}`")))
    }

    fn check_framework(&self, framework: &Framework) -> Result<(), Error> {
        expect_schema(&framework.id, &framework.schema, "framework/1")?;
        for requirement in &framework.requirements {
            if !is_token(&requirement.id) {
                return Err(Error::reject(format!("`{}` is not an OSCAL token", requirement.id)));
            }
            requirement.controls.iter().try_for_each(|id| self.control(id).map(|_| ()))?;
            if requirement.controls.is_empty() && requirement.manual.is_empty() {
                return Err(Error::reject(format!(
                    "`{}` says how nothing is shown",
                    requirement.id
                )));
            }
        }
        Ok(())
    }
}

impl Control {
    /// What the closed list says of `code`.
    pub fn reason(&self, code: &str) -> Option<&Reason> {
        self.reasons.iter().find(|reason| reason.code == code)
    }
}

/// OSCAL's token: `^(\p{L}|_)(\p{L}|\p{N}|[.\-_])*$`.
fn is_token(id: &str) -> bool {
    let first = id.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_');
    first && id.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_'))
}

fn parse<T: for<'de> Deserialize<'de>>(
    files: &[(&'static str, &'static str)],
    name: &str,
) -> Result<T, Error> {
    toml::from_str(file(files, name)?).map_err(|e| Error::reject(format!("{name}: {e}")))
}

fn file(files: &[(&'static str, &'static str)], name: &str) -> Result<&'static str, Error> {
    let found = files.iter().find(|(n, _)| *n == name);
    found.map(|(_, text)| *text).ok_or_else(|| Error::reject(format!("the pack has no {name}")))
}

fn expect_schema(name: &str, found: &str, want: &str) -> Result<(), Error> {
    if found == want {
        Ok(())
    } else {
        Err(Error::reject(format!("{name}: schema `{found}`, not `{want}`")))
    }
}

fn digest(files: &[(&'static str, &'static str)]) -> String {
    let sorted: BTreeMap<_, _> = files.iter().copied().collect();
    let whole: String = sorted.iter().flat_map(|(name, text)| [*name, "\n", *text, "\n"]).collect();
    HEXLOWER.encode(&sha256(whole.as_bytes()))
}

macro_rules! pack_files {
    ($($file:literal)*; $($control:literal)*) => {
        &[
            $(($file, include_str!(concat!("../packs/core/", $file))),)*
            $(
                (concat!($control, ".toml"), include_str!(concat!("../packs/core/", $control, ".toml"))),
                (concat!($control, ".sql"), include_str!(concat!("../packs/core/", $control, ".sql"))),
                (concat!($control, ".count.sql"), include_str!(concat!("../packs/core/", $control, ".count.sql"))),
                (
                    concat!("fixtures/", $control, ".ndjson"),
                    include_str!(concat!("../packs/core/fixtures/", $control, ".ndjson")),
                ),
                (
                    concat!("fixtures/", $control, ".csv"),
                    include_str!(concat!("../packs/core/fixtures/", $control, ".csv")),
                ),
            )*
        ]
    };
}

const CORE_FILES: &[(&str, &str)] = pack_files!(
    "pack.toml" "sampling.toml" "frameworks/soc2.toml" "frameworks/hipaa.toml";
    "CHG-02" "CHG-05" "RBK-01" "RBK-03" "RBK-05" "INC-04" "INC-05" "LOG-01" "LOG-02"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pack_in_the_binary_is_whole() {
        let pack = load(CORE_FILES).unwrap();
        assert_eq!(pack.controls.len(), 9);
        assert_eq!(pack.digest.len(), 64);
        for control in &pack.controls {
            let mut codes: Vec<_> = control.reasons.iter().map(|r| &r.code).collect();
            codes.sort();
            codes.dedup();
            assert_eq!(codes.len(), control.reasons.len(), "{}: a reason twice", control.id);
            assert!(control.reasons.iter().any(|r| r.status == Status::Pass), "{}", control.id);
        }
    }

    #[test]
    fn every_control_answers_some_requirement_of_every_framework() {
        for framework in &core().frameworks {
            for control in &core().controls {
                let used = framework.requirements.iter().any(|r| r.controls.contains(&control.id));
                assert!(
                    used || framework.id == "hipaa",
                    "{} has no use for {}",
                    framework.id,
                    control.id
                );
            }
        }
    }

    #[test]
    fn a_token_is_what_oscal_takes() {
        for good in ["CC8.1", "hipaa-164.308.a.6.ii", "_x"] {
            assert!(is_token(good), "{good}");
        }
        for bad in ["164.308(a)(6)(ii)", "5.24", "", "a b"] {
            assert!(!is_token(bad), "{bad}");
        }
    }
}
