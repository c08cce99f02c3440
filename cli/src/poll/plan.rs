//! What to ask a source's API for, and what to ask for after an answer: pure, and data for each source.

use std::fmt::Write;

use backtrail_schemas::Timestamp;
use serde_json::Value;

/// The API of one source.
#[derive(Debug)]
pub(super) struct Api {
    /// The source of `backtrail sources`.
    pub(super) source: &'static str,
    /// Where it is, unless the config says; `None` for a source without a common address.
    pub(super) address: Option<&'static str>,
    /// Headers of each request, beside those that authenticate.
    pub(super) headers: &'static [(&'static str, &'static str)],
    /// How a token is shown.
    pub(super) auth: Auth,
    /// The entries of `of`; `None` for an API that has no parts.
    pub(super) parts: Option<Parts>,
    /// What is read of it, in this order.
    pub(super) lists: &'static [List],
}

/// What an API is asked about, part by part.
#[derive(Debug)]
pub(super) struct Parts {
    /// What they are, and how they are written.
    pub(super) what: &'static str,
    /// Whether this can be one: it becomes a piece of a path.
    pub(super) is_name: fn(&str) -> bool,
}

/// How a request shows who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Auth {
    /// `Authorization`, with this before the token.
    Scheme(&'static str),
    /// The token in a header of its own; the second token in another.
    Headers(&'static str, Option<&'static str>),
    /// User and password where the config names a user, else a bearer token.
    BasicOrBearer,
}

/// A list of an API.
#[derive(Debug)]
pub(super) struct List {
    /// What it lists.
    pub(super) name: &'static str,
    /// Path and query. `{of}` is the configured part, `{project}` the same as one segment, `{id}` the element above, `{hook}`
    /// and `{label}` what the config says, `{from}` and `{until}` instants, `{page}` and `{skip}` how far the list is read.
    pub(super) path: &'static str,
    /// How an instant is written there.
    pub(super) times: Times,
    /// The elements, as a JSON pointer into the answer.
    pub(super) elements: &'static str,
    /// When an element last changed, as pointers into it: the latest of those that are there.
    pub(super) changed: &'static [&'static str],
    /// In which order they come, and what follows from that.
    pub(super) order: Order,
    /// How the next page is found.
    pub(super) next: Next,
    /// How many elements a page has, if it is full.
    pub(super) per_page: usize,
    /// Where the answer says how many there are in all, as a JSON pointer.
    pub(super) total: Option<&'static str>,
    /// How much earlier than the window an element may have been made that changed in it, in seconds.
    pub(super) early_s: i64,
    /// Elements with this are something else.
    pub(super) without: Option<&'static str>,
    /// What each element that changed is asked for beside.
    pub(super) below: Option<&'static List>,
    /// What becomes of the elements.
    pub(super) purpose: Purpose,
}

/// How a query writes an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Times {
    /// `2026-01-02T03:04:05Z`.
    Rfc3339,
    /// `2026-01-02 03:04:05`, which the source reads in the zone of the account: asked for up to 14 hours earlier.
    Local,
}

/// The order of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// By the last change, oldest first. What changes while the list is read moves to its end and would move the rest
    /// across the pages, so each page is asked for from the last change of the one before.
    Changed,
    /// By this time in an element, newest first: what is older than the window ends the list.
    Newest(&'static str),
    /// Any: the query selects what is wanted, and the list is read to its end.
    Any,
}

/// How the next page is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// By the address in `Link`.
    Link,
    /// By how many elements are before it; `most` is as far as the source counts.
    Offset { more: More, most: Option<usize> },
}

/// How a page says that another one follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum More {
    /// It is full.
    Full,
    /// By a flag at this pointer.
    Flag(&'static str),
    /// By a `Link` to the next one. It may then have fewer elements than it takes places: those that the account may not
    /// see are left out.
    Linked,
}

/// What becomes of elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Each is a delivery.
    Deliver,
    /// They are the source's own record of what it pushed: those that failed are counted.
    Pushes,
}

/// The span of changes that is asked about, half open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
}

/// What fills the placeholders of a path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) of: String,
    pub(super) id: String,
    pub(super) hook: String,
    pub(super) label: String,
}

/// One question to a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    /// Changes since then.
    pub(super) since: Timestamp,
    /// How many elements are before it.
    pub(super) skip: usize,
    /// The address that the source itself gave, with the path of the API.
    pub(super) link: Option<String>,
}

/// What of an answer decides what comes next.
#[derive(Clone, Debug, Default)]
pub(super) struct Page {
    pub(super) elements: Vec<Value>,
    /// The path of the next page, if the source gave one.
    pub(super) link: Option<String>,
    /// Whether the source says that there is more.
    pub(super) more: bool,
}

impl Ask {
    /// The first question to `list` about `window`.
    pub(super) fn first(list: &List, window: Window) -> Self {
        let early = list.early_s + if list.times == Times::Local { 14 * 3_600 } else { 0 };
        Self { since: earlier(window.from, early), skip: 0, link: None }
    }

    /// Path and query of the question.
    pub(super) fn path(&self, list: &List, place: &Place, window: Window) -> String {
        if let Some(link) = &self.link {
            return link.clone();
        }
        let mut path = String::new();
        let mut rest = list.path;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, tail) = after.split_once('}').expect("a constant template");
            path.push_str(before);
            match name {
                "of" => path.push_str(&encoded(&place.of, "/")),
                "project" => path.push_str(&encoded(&place.of, "")),
                "id" => path.push_str(&encoded(&place.id, "")),
                "hook" => path.push_str(&encoded(&place.hook, "")),
                "label" => path.push_str(&encoded(&place.label, "")),
                "from" => path.push_str(&encoded(&written(self.since, list.times), ":")),
                "until" => path.push_str(&encoded(&written(window.until, list.times), ":")),
                "page" => path.push_str(&(self.skip / list.per_page + 1).to_string()),
                "skip" => path.push_str(&self.skip.to_string()),
                other => unreachable!("no placeholder `{other}`"),
            }
            rest = tail;
        }
        path + rest
    }

    /// What to ask after `page`, which answered this; `None` at the end.
    ///
    /// # Errors
    /// The source would not answer, and says nothing of it.
    pub(super) fn next(
        &self,
        list: &List,
        page: &Page,
        window: Window,
    ) -> Result<Option<Self>, String> {
        let full = page.elements.len() >= list.per_page;
        match list.order {
            Order::Changed => Ok(self.after_change(list, page, window, full)),
            Order::Newest(made) if oldest(page, made).is_some_and(|at| at < self.since) => Ok(None),
            Order::Newest(_) | Order::Any => self.following(list, page, full),
        }
    }

    fn after_change(&self, list: &List, page: &Page, window: Window, full: bool) -> Option<Self> {
        if !full && !page.more {
            return None;
        }
        let newest = page.elements.iter().filter_map(|one| changed(list, one)).max();
        if newest.is_some_and(|at| at >= window.until) {
            return None;
        }
        // One second earlier: lists round, and some compare with "later than".
        let since = newest.map_or(self.since, |at| earlier(at, 1));
        if since > self.since {
            return Some(Self { since, skip: 0, link: None });
        }
        Some(Self { since: self.since, skip: self.skip + list.per_page, link: None })
    }

    fn following(&self, list: &List, page: &Page, full: bool) -> Result<Option<Self>, String> {
        match list.next {
            Next::Link => {
                Ok(page.link.clone().map(|link| Self { link: Some(link), ..self.clone() }))
            }
            Next::Offset { more, most } => {
                let count = if more == More::Linked { list.per_page } else { page.elements.len() };
                let goes_on = if more == More::Full { full } else { page.more };
                if !goes_on || count == 0 {
                    return Ok(None);
                }
                let skip = self.skip + count;
                if most.is_some_and(|most| skip + list.per_page > most) {
                    return Err(format!("the API lists no more than {skip}, and there are more"));
                }
                Ok(Some(Self { skip, ..self.clone() }))
            }
        }
    }
}

/// Whether `element` is to be read: it changed in the window. One with others below it is read even if it changed since, as
/// long as it was there before: what is below has times of its own.
pub(super) fn wanted(list: &List, element: &Value, window: Window) -> bool {
    if list.without.is_some_and(|key| element.pointer(key).is_some_and(|value| !value.is_null())) {
        return false;
    }
    let Some(at) = changed(list, element) else { return true };
    let made = match (list.below, list.order) {
        (Some(_), Order::Newest(made)) => time(element, made).unwrap_or(at),
        _ => at,
    };
    at >= window.from && made < window.until
}

/// The same without a lower bound, for elements below one that changed: they state all that it went through.
pub(super) fn settled(list: &List, element: &Value, window: Window) -> bool {
    changed(list, element).is_none_or(|at| at < window.until)
}

/// When an element last changed.
pub(super) fn changed(list: &List, element: &Value) -> Option<Timestamp> {
    list.changed.iter().filter_map(|pointer| time(element, pointer)).max()
}

fn oldest(page: &Page, made: &str) -> Option<Timestamp> {
    page.elements.iter().filter_map(|one| time(one, made)).min()
}

/// A time in RFC 3339, or as ServiceNow writes it.
fn time(element: &Value, pointer: &str) -> Option<Timestamp> {
    let text = element.pointer(pointer)?.as_str()?;
    let spaced = || Timestamp::parse_rfc3339(&format!("{}Z", text.replacen(' ', "T", 1)));
    Timestamp::parse_rfc3339(text).or_else(|_| spaced()).ok()
}

/// `at`, some seconds earlier; at most back to 1970.
pub(super) fn earlier(at: Timestamp, seconds: i64) -> Timestamp {
    at.plus_seconds(-seconds).or(Timestamp::from_micros(0)).expect("1970 is in range")
}

fn written(at: Timestamp, times: Times) -> String {
    let at = at.to_datetime();
    match times {
        Times::Rfc3339 => at.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        Times::Local => at.format("%Y-%m-%d %H:%M:%S").to_string(),
    }
}

/// `text` for a path or query: everything but unreserved bytes and those of `kept` as `%HH`.
pub(super) fn encoded(text: &str, kept: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if plain || kept.as_bytes().contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// The path and query of the next page in a `Link` header; `None` without one, or where its `results` are false.
///
/// # Errors
/// It leads away from `api`, the address of the API: the token would follow.
pub(super) fn next_link(header: &str, api: &str) -> Result<Option<String>, String> {
    let next = header.split('<').skip(1).find_map(|one| {
        let (address, rest) = one.split_once('>')?;
        let mut parameters = rest.split([';', ',']).map(str::trim);
        let is_next = parameters.clone().any(|p| p == "rel=\"next\"" || p == "rel=next");
        (is_next && parameters.all(|p| p != "results=\"false\"")).then_some(address)
    });
    let Some(address) = next else { return Ok(None) };
    let same = address.strip_prefix(api).filter(|path| path.starts_with('/'));
    same.map(|path| Some(path.to_owned()))
        .ok_or_else(|| "the next page in `Link` is not below the address of the API".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    fn window() -> Window {
        Window { from: at("2025-05-01T00:00:00Z"), until: at("2025-05-02T00:00:00Z") }
    }

    const LIST: List = List {
        name: "things",
        path: "/p/{of}/{project}?since={from}&before={until}&page={page}&skip={skip}",
        times: Times::Rfc3339,
        elements: "",
        changed: &["/changed", "/made"],
        order: Order::Changed,
        next: Next::Link,
        per_page: 2,
        total: None,
        early_s: 0,
        without: Some("/other"),
        below: None,
        purpose: Purpose::Deliver,
    };

    fn page(times: &[&str]) -> Page {
        let elements = times.iter().map(|t| json!({"changed": t, "made": t})).collect();
        Page { elements, ..Page::default() }
    }

    #[test]
    fn a_path_is_its_template_filled() {
        let place = Place { of: "a b/c".into(), ..Place::default() };
        let ask = Ask { skip: 4, ..Ask::first(&LIST, window()) };
        assert_eq!(
            ask.path(&LIST, &place, window()),
            "/p/a%20b/c/a%20b%2Fc?since=2025-05-01T00:00:00Z&before=2025-05-02T00:00:00Z&page=3&skip=4"
        );
        let local = List { times: Times::Local, path: "{from}", ..LIST };
        let ask = Ask::first(&local, window());
        assert_eq!(ask.path(&local, &place, window()), "2025-04-30%2010:00:00");
        let given = Ask { link: Some("/given".into()), ..ask };
        assert_eq!(given.path(&LIST, &place, window()), "/given");
    }

    /// A list by last change is asked for again from the last change seen: what moves to its end hides nothing.
    #[test]
    fn a_list_by_change_goes_on_from_the_last_change() {
        let ask = Ask::first(&LIST, window());
        let next = |ask: &Ask, page: &Page| ask.next(&LIST, page, window()).unwrap();
        let full = page(&["2025-05-01T01:00:00Z", "2025-05-01T02:00:00Z"]);
        let second = next(&ask, &full).unwrap();
        assert_eq!((second.since, second.skip), (at("2025-05-01T01:59:59Z"), 0));
        // A page within one second is passed by its length.
        let third = next(&second, &page(&["2025-05-01T01:59:59Z"; 2])).unwrap();
        assert_eq!((third.since, third.skip), (second.since, 2));
        assert_eq!(next(&ask, &page(&["2025-05-01T01:00:00Z"])), None);
        assert_eq!(next(&ask, &page(&["2025-05-01T01:00:00Z", "2025-05-02T00:00:00Z"])), None);
        let hidden = Page { more: true, ..page(&["2025-05-01T03:00:00Z"]) };
        assert_eq!(next(&ask, &hidden).unwrap().since, at("2025-05-01T02:59:59Z"));
    }

    #[test]
    fn a_list_of_the_newest_ends_where_the_window_begins() {
        let list = List { order: Order::Newest("/made"), early_s: 3_600, ..LIST };
        let ask = Ask::first(&list, window());
        for (last, goes_on) in [("2025-04-30T23:00:00Z", true), ("2025-04-30T22:59:59Z", false)] {
            let page = Page { link: Some("/2".into()), ..page(&["2025-05-01T01:00:00Z", last]) };
            assert_eq!(ask.next(&list, &page, window()).unwrap().is_some(), goes_on, "{last}");
        }
    }

    #[test]
    fn an_offset_counts_what_came() {
        let next = |more| Next::Offset { more, most: Some(5) };
        let list = List { order: Order::Any, next: next(More::Flag("/more")), ..LIST };
        let ask = Ask::first(&list, window());
        let more = |more| Page { more, ..page(&["2025-05-01T01:00:00Z"]) };
        assert_eq!(ask.next(&list, &more(true), window()).unwrap().unwrap().skip, 1);
        assert_eq!(ask.next(&list, &more(false), window()).unwrap(), None);
        let linked = List { next: next(More::Linked), ..list };
        assert_eq!(ask.next(&linked, &more(true), window()).unwrap().unwrap().skip, 2);
        let by_length = List { next: next(More::Full), ..LIST };
        let by_length = List { order: Order::Any, ..by_length };
        assert_eq!(ask.next(&by_length, &more(true), window()).unwrap(), None);
        let far = Ask { skip: 3, ..ask };
        assert!(far.next(&list, &more(true), window()).unwrap_err().contains("no more than 4"));
    }

    #[test]
    fn only_what_changed_in_the_window_is_wanted() {
        for (element, want) in [
            (json!({"changed": "2025-05-01T00:00:00Z"}), true),
            (json!({"changed": "2025-05-02T00:00:00Z"}), false),
            (json!({"changed": "2025-04-30T23:59:59.9Z", "made": "2025-04-01T00:00:00Z"}), false),
            (json!({"changed": "2025-05-01 12:00:00"}), true),
            (json!({"changed": "2025-05-01T12:00:00Z", "other": {}}), false),
            (json!({"changed": "2025-05-01T12:00:00Z", "other": null}), true),
            (json!({}), true),
        ] {
            assert_eq!(wanted(&LIST, &element, window()), want, "{element}");
        }
    }

    #[test]
    fn a_link_leads_to_the_next_page_of_the_same_api_only() {
        let api = "https://api.example/v4";
        let next = |header: &str| next_link(header, api);
        let found = Ok(Some("/a?page=2,3".to_owned()));
        for header in [
            r#"<https://api.example/v4/a?page=2,3>; rel="next", <https://api.example/v4/a?page=9>; rel="last""#,
            r#"<https://api.example/v4/a>;rel="first",<https://api.example/v4/a?page=2,3>;rel="next""#,
            r#"<https://api.example/v4/a?page=2,3>; rel="next"; results="true"; cursor="0:1:0""#,
        ] {
            assert_eq!(next(header), found, "{header}");
        }
        for header in [
            r#"<https://api.example/v4/a>; rel="prev""#,
            r#"<https://api.example/v4/a>; rel="next"; results="false"; cursor="0:1:0""#,
            "",
        ] {
            assert_eq!(next(header), Ok(None), "{header}");
        }
        for away in [
            "https://evil.example/v4/a",
            "https://api.example/v4evil",
            "/a",
            "https://api.example/v4.evil/",
        ] {
            assert!(next(&format!("<{away}>; rel=\"next\"")).is_err(), "{away}");
        }
    }
}
