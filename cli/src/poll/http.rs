//! Asking the API: bounded, patient, and never telling a token.

use std::time::Duration;

use backtrail_ledger::Clock;
use serde_json::Value;
use ureq::Agent;

use super::limits::{ANSWER_BYTES_MAX, ATTEMPTS, PAGES_MAX, PAUSE_MAX, REQUEST_MAX};
use super::pause::{Limits, backoff, is_passing};
use super::plan::{List, More, Next, Page, next_link};
use super::section::Access;
use crate::agent::{UNTRUSTED, agent, is_untrusted};
use crate::exit::{BAD_INPUT, Failure, TRY_LATER, UNAVAILABLE};
use crate::output::say;

/// The API, and how much of it was asked.
pub(super) struct Client<'a> {
    access: &'a Access,
    clock: &'a dyn Clock,
    agent: Agent,
    pages: u64,
    /// What the last answer said of the next request.
    limits: Limits,
}

/// One page, and how long the source says that the whole list is.
pub(super) struct Answer {
    pub(super) page: Page,
    pub(super) total: Option<u64>,
}

/// A whole answer with its limits.
struct Response {
    status: u16,
    link: Option<String>,
    limits: Limits,
    body: Vec<u8>,
}

impl<'a> Client<'a> {
    pub(super) fn new(access: &'a Access, clock: &'a dyn Clock) -> Result<Self, Failure> {
        let agent = agent(REQUEST_MAX)?;
        Ok(Self { access, clock, agent, pages: 0, limits: Limits::default() })
    }

    /// The page of `list` at `path`.
    pub(super) fn page(&mut self, list: &List, path: &str) -> Result<Answer, Failure> {
        let response = self.patiently(path)?;
        let wrong = |what: &str| self.failure(UNAVAILABLE, path, what);
        let body: Value = backtrail_schemas::json::parse(&response.body).map_err(|e| {
            wrong(&format!("answered no JSON: {e}"))
                .hint("is `api` the address of the API, not of the site?")
        })?;
        let elements = body.pointer(list.elements).and_then(Value::as_array).cloned();
        let elements = elements.ok_or_else(|| {
            wrong("answered something else than a list")
                .hint("is `api` the address of this source's API?")
        })?;
        let header = response.link.as_deref().unwrap_or_default();
        let linked = list.next == Next::Link;
        let link = if linked { next_link(header, &self.access.address) } else { Ok(None) };
        let link = link.map_err(|what| {
            wrong(&what).hint("write `api` as the API itself writes its address")
        })?;
        let more = match list.next {
            Next::Offset { more: More::Flag(flag), .. } => {
                body.pointer(flag) == Some(&Value::Bool(true))
            }
            _ => header.contains("rel=\"next\""),
        };
        let total = list.total.and_then(|pointer| body.pointer(pointer)?.as_u64());
        Ok(Answer { page: Page { elements, link, more }, total })
    }

    /// Asks until there is an answer, as often and as late as the source and our limits allow.
    fn patiently(&mut self, path: &str) -> Result<Response, Failure> {
        if self.pages == PAGES_MAX {
            return Err(self
                .failure(TRY_LATER, path, &format!("was not asked: {PAGES_MAX} pages were read"))
                .hint("what was read is kept; run the same command again to go on"));
        }
        self.pages += 1;
        let mut failed = 0;
        loop {
            self.wait(path, 0, "the source allows no request before that")?;
            let answer = self.once(path);
            failed += 1;
            let why = match answer {
                Ok(response) => {
                    self.limits = response.limits.clone();
                    if response.status == 200 {
                        return Ok(response);
                    }
                    if !is_passing(response.status, &response.limits) {
                        return Err(self.refused(path, response.status));
                    }
                    format!("answered {}", response.status)
                }
                Err(error) if is_untrusted(&error) => {
                    return Err(self
                        .failure(UNAVAILABLE, path, &error.to_string())
                        .hint(UNTRUSTED));
                }
                Err(error) => {
                    self.limits = Limits::default();
                    error.to_string()
                }
            };
            if failed == ATTEMPTS {
                return Err(self
                    .failure(UNAVAILABLE, path, &format!("{why}, {ATTEMPTS} times"))
                    .hint("what was read before is kept; run the same command again later"));
            }
            self.wait(path, failed, &why)?;
            self.limits = Limits::default();
        }
    }

    /// Waits as long as the last answer asks for, else by how often it failed.
    fn wait(&self, path: &str, failed: u32, why: &str) -> Result<(), Failure> {
        let asked = self.limits.asked(self.clock.now().micros() / 1_000_000);
        let pause = asked.unwrap_or(if failed == 0 { Duration::ZERO } else { backoff(failed) });
        if pause.is_zero() {
            return Ok(());
        }
        let seconds = pause.as_secs();
        if pause > PAUSE_MAX {
            return Err(self
                .failure(TRY_LATER, path, &format!("wants no request for {seconds} s"))
                .hint("what was read is kept; run the same command again then"));
        }
        say(format_args!("{}: {why}; waiting {seconds} s", self.access.api.source));
        std::thread::sleep(pause);
        Ok(())
    }

    fn once(&self, path: &str) -> Result<Response, ureq::Error> {
        let mut request = self.agent.get(format!("{}{path}", self.access.address));
        for (name, value) in &self.access.headers {
            request = request.header(*name, value);
        }
        let mut answer = request.call()?;
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let limits = Limits::read(header);
        let link = header("link").map(str::to_owned);
        let status = answer.status().as_u16();
        let body = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec()?;
        Ok(Response { status, link, limits, body })
    }

    fn refused(&self, path: &str, status: u16) -> Failure {
        let hint = match status {
            401 => {
                "the token is wrong, or it expired; make a new one and put it where the config says"
            }
            403 => "the token may not read this; docs/polling.md lists what it needs",
            404 => "check `of` and `api`; some sources say this, too, where the token may not read",
            300..=399 => "it moved: write the address or name that it has now",
            _ => "docs/polling.md says what is asked; what was read before is kept",
        };
        let exit = if (400..500).contains(&status) { BAD_INPUT } else { UNAVAILABLE };
        self.failure(exit, path, &format!("answered {status}")).hint(hint)
    }

    /// What failed, with the address asked. Tokens are in headers only.
    fn failure(&self, exit: u8, path: &str, what: &str) -> Failure {
        let path = path.split('?').next().unwrap_or_default();
        Failure::new(
            exit,
            format_args!("{}: {}{path} {what}", self.access.api.source, self.access.address),
        )
    }
}
