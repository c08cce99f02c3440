//! Places in a delivery that a rule reads, and the conditions on what is there.

use serde_json::Value;

use crate::limits::POINTER_STEPS_MAX;
use crate::node::{Node, member};

use super::at::{At, RuleError};

/// What a rule looks at: the body, the headers, and, with `each`, one element of a list.
#[derive(Clone, Debug)]
pub(super) struct Scope<'a> {
    pub(super) body: Node<'a>,
    pub(super) headers: Node<'a>,
    pub(super) element: Option<Node<'a>>,
}

/// One place in a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// `/a/b`: a JSON pointer into the body.
    Body(Vec<String>),
    /// `./a/b`: a JSON pointer into the element; `.` is the element itself.
    Element(Vec<String>),
    /// `header:name`, in lower case.
    Header(String),
}

impl Place {
    /// Reads `/a/b`, `./a/b` or `header:name`.
    pub(super) fn parse(at: &At<'_>) -> Result<Self, RuleError> {
        const HINT: &str = "write \"/a/b\" for a place in the body (RFC 6901), \"./a/b\" for one in the element of `each`, \"header:name\" for a header, { value = \"…\" } for a constant";
        let text = at.text()?;
        let bad = |what: &str| at.error(format_args!("`{text}` {what}"), HINT);
        if let Some(name) = text.strip_prefix("header:") {
            let token = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
            let plain = !name.is_empty() && name.bytes().all(token);
            let place = Self::Header(name.to_ascii_lowercase());
            return if plain { Ok(place) } else { Err(bad("names no header")) };
        }
        let (pointer, element) = match text.strip_prefix('.') {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        if !(pointer.starts_with('/') || (element && pointer.is_empty())) {
            return Err(bad("is no place in a delivery"));
        }
        let steps: Option<Vec<String>> = pointer.split('/').skip(1).map(unescaped).collect();
        let steps = steps.ok_or_else(|| bad("has a `~` that is neither `~0` nor `~1`"))?;
        if steps.len() > POINTER_STEPS_MAX {
            return Err(bad(&format!("has more than {POINTER_STEPS_MAX} steps")));
        }
        Ok(if element { Self::Element(steps) } else { Self::Body(steps) })
    }

    /// What is there, and its path.
    pub(super) fn node<'a>(&self, scope: &Scope<'a>) -> Node<'a> {
        let (from, steps) = self.way(scope);
        from.pointer(steps)
    }

    /// What is there. Recognition asks every rule about every delivery, so nothing is made for it.
    fn value<'a>(&self, scope: &Scope<'a>) -> Option<&'a Value> {
        let (from, steps) = self.way(scope);
        steps.iter().try_fold(from.value()?, |value, step| member(value, step))
    }

    fn way<'s, 'a>(&'s self, scope: &'s Scope<'a>) -> (&'s Node<'a>, &'s [String]) {
        match self {
            Self::Body(steps) => (&scope.body, steps),
            Self::Element(steps) => (scope.element.as_ref().unwrap_or(&scope.body), steps),
            Self::Header(name) => (&scope.headers, std::slice::from_ref(name)),
        }
    }
}

/// One token of a JSON pointer, unescaped (RFC 6901, section 4).
fn unescaped(token: &str) -> Option<String> {
    let mut out = String::with_capacity(token.len());
    let mut rest = token.chars();
    while let Some(c) = rest.next() {
        match c {
            '~' => match rest.next() {
                Some('0') => out.push('~'),
                Some('1') => out.push('/'),
                _ => return None,
            },
            c => out.push(c),
        }
    }
    Some(out)
}

/// Places of which the first that holds something counts.
#[derive(Clone, Debug)]
pub(super) struct Places(Vec<Place>);

impl Places {
    /// Reads one place or a list of them. `scoped` says whether there is an element.
    pub(super) fn parse(at: &At<'_>, scoped: bool) -> Result<Self, RuleError> {
        let place = |at: &At<'_>| {
            let place = Place::parse(at)?;
            if !scoped && matches!(place, Place::Element(_)) {
                let hint = "give the block `each = \"/list\"`, or begin the place with `/`";
                return Err(at.error("is in an element, but the block has no `each`", hint));
            }
            Ok(place)
        };
        Ok(Self(at.one_or_more()?.iter().map(place).collect::<Result<_, _>>()?))
    }

    /// The first that holds something, else the last.
    pub(super) fn node<'a>(&self, scope: &Scope<'a>) -> Node<'a> {
        let place = self.0.iter().find(|place| holds_something(place.value(scope)));
        let place = place.or(self.0.last()).expect("a list of places is not empty");
        place.node(scope)
    }

    /// The value there, without its path.
    fn value<'a>(&self, scope: &Scope<'a>) -> Option<&'a Value> {
        self.0.iter().map(|place| place.value(scope)).find(|value| holds_something(*value))?
    }

    /// Whether all of them are headers, or none is.
    pub(super) fn are_headers(&self, wanted: bool) -> bool {
        self.0.iter().all(|place| matches!(place, Place::Header(_)) == wanted)
    }
}

fn holds_something(value: Option<&Value>) -> bool {
    value.is_some_and(|value| value.as_str() != Some(""))
}

/// What must be at a place.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    places: Places,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    /// Something, or nothing.
    Exists(bool),
    /// One of these.
    In(Vec<Value>),
    /// None of these; an absent value is none of them.
    NotIn(Vec<Value>),
    /// A text of this form, in which `*` is any text.
    Like(String),
}

impl Condition {
    /// Reads `when`: all of its conditions must hold.
    pub(super) fn parse_all(at: &At<'_>, scoped: bool) -> Result<Vec<Self>, RuleError> {
        at.list()?.iter().map(|at| Self::parse(at, scoped)).collect()
    }

    fn parse(at: &At<'_>, scoped: bool) -> Result<Self, RuleError> {
        const TESTS: [&str; 6] = ["is", "not", "in", "not_in", "like", "exists"];
        const HINT: &str = "write one of is, not, in, not_in, like, exists beside `at`, such as { at = \"/type\", is = \"deployed\" }";
        let table = at.table(&["at", "is", "not", "in", "not_in", "like", "exists"])?;
        let places = Places::parse(&table.need("at", HINT)?, scoped)?;
        let mut stated = TESTS.iter().filter_map(|test| Some((*test, table.get(test)?)));
        let (Some((name, value)), None) = (stated.next(), stated.next()) else {
            return Err(at.error("needs exactly one test", HINT));
        };
        let test = match name {
            "is" => Test::In(vec![scalar(&value)?]),
            "not" => Test::NotIn(vec![scalar(&value)?]),
            "in" => Test::In(value.list()?.iter().map(scalar).collect::<Result<_, _>>()?),
            "not_in" => Test::NotIn(value.list()?.iter().map(scalar).collect::<Result<_, _>>()?),
            "like" => Test::Like(value.text()?.to_owned()),
            _ => Test::Exists(value.boolean()?),
        };
        Ok(Self { places, test })
    }

    /// Whether it holds; what is of another type than asked for does not.
    pub(super) fn holds(&self, scope: &Scope<'_>) -> bool {
        let value = self.places.value(scope);
        match &self.test {
            Test::Exists(wanted) => value.is_some() == *wanted,
            Test::In(values) => value.is_some_and(|v| values.contains(v)),
            Test::NotIn(values) => !value.is_some_and(|v| values.contains(v)),
            Test::Like(form) => value.and_then(Value::as_str).is_some_and(|text| like(text, form)),
        }
    }

    /// The places that it looks at.
    pub(super) fn places(&self) -> &Places {
        &self.places
    }
}

/// Whether all conditions hold.
pub(super) fn all_hold(conditions: &[Condition], scope: &Scope<'_>) -> bool {
    conditions.iter().all(|condition| condition.holds(scope))
}

fn scalar(at: &At<'_>) -> Result<Value, RuleError> {
    if at.is_text() {
        return Ok(Value::from(at.text()?));
    }
    if let Some(n) = at.integer() {
        return Ok(Value::from(n));
    }
    at.boolean().map(Value::from).map_err(|_| {
        at.error("is no value to compare with", "write a text, a whole number, true or false")
    })
}

/// Whether `text` has the form, in which each `*` stands for any text. Takes the leftmost match of each part, so that it
/// never goes back.
fn like(text: &str, form: &str) -> bool {
    let Some((first, rest)) = form.split_once('*') else { return text == form };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match text.find(part) {
            Some(at) => text = &text[at + part.len()..],
            None => return false,
        }
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_text() {
        for (form, yes, no) in [
            (
                "orca:*:failed",
                &["orca:stage:failed", "orca::failed"][..],
                &["orca:failed", "x"][..],
            ),
            ("deploy-*", &["deploy-", "deploy-a*b"], &["redeploy-a", ""]),
            ("*prod*", &["prod", "eu-prod-1"], &["pro", ""]),
            ("*", &["", "a"], &[]),
            ("a*b*a", &["aba", "abba", "axbya"], &["ab", "aa", "abab"]),
            ("plain", &["plain"], &["plain2", "plai"]),
        ] {
            for text in yes {
                assert!(like(text, form), "{text} has the form {form}");
            }
            for text in no {
                assert!(!like(text, form), "{text} has not the form {form}");
            }
        }
    }

    #[test]
    fn a_token_of_a_pointer_is_unescaped() {
        for (token, want) in
            [("a", Some("a")), ("~1~0", Some("/~")), ("~01", Some("~1")), ("~", None), ("~2", None)]
        {
            assert_eq!(unescaped(token).as_deref(), want, "{token}");
        }
    }
}
