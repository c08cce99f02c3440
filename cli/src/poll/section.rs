//! `[sources.NAME.poll]`: where a source's API is, and with what it is asked.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use serde::Deserialize;

use super::limits::TOKEN_BYTES_MAX;
use super::plan::{Api, Auth, List, Parts, Place, Purpose};
use crate::exit::{BAD_INPUT, Failure, NO_INPUT, unreadable};

/// The section as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PollSection {
    /// The address of the API, for a server of one's own.
    api: Option<String>,
    /// The environment variable that holds the token.
    token_env: Option<String>,
    /// The file that holds it.
    token_file: Option<PathBuf>,
    /// The same for the second token of Datadog.
    application_key_env: Option<String>,
    application_key_file: Option<PathBuf>,
    /// Whose password the token is (`ServiceNow`).
    user: Option<String>,
    /// Repositories or projects.
    #[serde(default)]
    of: Vec<String>,
    /// The number of the webhook of a repository, whose deliveries are read.
    #[serde(default)]
    hooks: BTreeMap<String, u64>,
}

/// Where to ask, ready to be used. It shows no token.
pub(super) struct Access {
    pub(super) api: &'static Api,
    /// Without a slash at the end.
    pub(super) address: String,
    pub(super) headers: Vec<(&'static str, String)>,
    incident_label: String,
    of: Vec<String>,
    hooks: BTreeMap<String, u64>,
}

impl PollSection {
    /// What `[sources.name.poll]` gives for `api`; relative paths start from `base`, and issues with `incident_label` are incidents.
    pub(super) fn access(
        &self,
        name: &str,
        api: &'static Api,
        base: &Path,
        incident_label: &str,
    ) -> Result<Access, Failure> {
        let address = self.api.as_deref().or(api.address).ok_or_else(|| {
            wrong(name, "`api` is missing")
                .hint("write the address, like https://acme.service-now.com")
        })?;
        let address = address.trim_end_matches('/').to_owned();
        if !is_safe(&address) {
            return Err(wrong(name, "`api` is not a plain https address")
                .hint("a token goes over https only, and not in the address; http is for a server on this host"));
        }
        self.fits(name, api)?;
        if let Some(stray) = self.hooks.keys().find(|name| !self.of.contains(name)) {
            return Err(wrong(name, &format!("`hooks` names {stray}, and `of` does not"))
                .hint("a webhook belongs to a repository that is polled"));
        }
        Ok(Access {
            api,
            address,
            headers: self.headers(name, api, base)?,
            incident_label: incident_label.to_owned(),
            of: self.of.clone(),
            hooks: self.hooks.clone(),
        })
    }

    /// Whether its keys are those that `api` takes, and its names such as the vendor gives.
    fn fits(&self, name: &str, api: &Api) -> Result<(), Failure> {
        const KEYS: &str = "docs/polling.md lists the keys of each source";
        let second = self.application_key_env.is_some() || self.application_key_file.is_some();
        let pushes = api.lists.iter().any(|list| list.purpose == Purpose::Pushes);
        for (key, given, taken) in [
            ("user", self.user.is_some(), api.auth == Auth::BasicOrBearer),
            ("application_key_…", second, matches!(api.auth, Auth::Headers(_, Some(_)))),
            ("hooks", !self.hooks.is_empty(), pushes),
            ("of", !self.of.is_empty(), api.parts.is_some()),
        ] {
            if given && !taken {
                return Err(wrong(name, &format!("`{key}` is not for this source")).hint(KEYS));
            }
        }
        let Some(Parts { what, is_name }) = api.parts else { return Ok(()) };
        if self.of.is_empty() {
            return Err(wrong(name, &format!("`of` is missing: {what}")).hint(KEYS));
        }
        match self.of.iter().find(|one| !is_name(one)) {
            Some(one) => Err(wrong(name, &format!("`of` has {one:?}, and takes {what}"))
                .hint("write each as it stands in the vendor's own addresses")),
            None => Ok(()),
        }
    }

    fn headers(
        &self,
        name: &str,
        api: &'static Api,
        base: &Path,
    ) -> Result<Vec<(&'static str, String)>, Failure> {
        let token =
            secret(name, "token", self.token_env.as_deref(), self.token_file.as_deref(), base)?;
        let mut headers: Vec<(&'static str, String)> =
            api.headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        match (api.auth, &self.user) {
            (Auth::Scheme(scheme), _) => {
                let space = if scheme.ends_with('=') { "" } else { " " };
                headers.push(("authorization", format!("{scheme}{space}{token}")));
            }
            (Auth::BasicOrBearer, Some(user)) => {
                let both = BASE64.encode(format!("{user}:{token}").as_bytes());
                headers.push(("authorization", format!("Basic {both}")));
            }
            (Auth::BasicOrBearer, None) => {
                headers.push(("authorization", format!("Bearer {token}")));
            }
            (Auth::Headers(first, second), _) => {
                headers.push((first, token));
                if let Some(second) = second {
                    let (env, file) =
                        (self.application_key_env.as_deref(), self.application_key_file.as_deref());
                    headers.push((second, secret(name, "application_key", env, file, base)?));
                }
            }
        }
        Ok(headers)
    }
}

impl Access {
    /// Every list with each place that it is read of.
    pub(super) fn lists(&self) -> Vec<(&'static List, Place)> {
        let whole = [String::new()];
        let parts = if self.of.is_empty() { &whole[..] } else { &self.of[..] };
        let mut lists = Vec::new();
        for of in parts {
            for list in self.api.lists {
                let hook = self.hooks.get(of).map(u64::to_string);
                if list.purpose == Purpose::Pushes && hook.is_none() {
                    continue;
                }
                let (label, hook) = (self.incident_label.clone(), hook.unwrap_or_default());
                lists.push((list, Place { of: of.clone(), hook, label, id: String::new() }));
            }
        }
        lists
    }
}

fn wrong(name: &str, what: &str) -> Failure {
    Failure::new(BAD_INPUT, format_args!("[sources.{name}.poll]: {what}"))
}

/// A token from the environment or a file, without the line's end. What is wrong with it is told without it.
fn secret(
    name: &str,
    what: &str,
    env: Option<&str>,
    file: Option<&Path>,
    base: &Path,
) -> Result<String, Failure> {
    let section = format!("[sources.{name}.poll]");
    let text = match (env, file) {
        (Some(variable), None) => {
            #[expect(
                clippy::disallowed_methods,
                reason = "a secret enters by the variable that the config names"
            )]
            let value = std::env::var(variable);
            // Not its name: somebody may have written the token there.
            let place = format!("sources.{name}.poll.{what}_env");
            value.map_err(|_| {
                Failure::new(NO_INPUT, format_args!("{place} names no variable that is set")).hint(
                    format_args!(
                        "export it with the token as its text, or name a file in `{what}_file`"
                    ),
                )
            })?
        }
        (None, Some(file)) => {
            let path = base.join(file);
            let opened = std::fs::File::open(&path).map_err(|e| unreadable(&path, &e))?;
            let mut text = String::new();
            opened
                .take(TOKEN_BYTES_MAX)
                .read_to_string(&mut text)
                .map_err(|e| unreadable(&path, &e))?;
            text
        }
        _ => {
            return Err(Failure::new(
                BAD_INPUT,
                format_args!("{section}: no token is named, or two"),
            )
            .hint(format_args!(
                "write either `{what}_env = \"NAME\"` or `{what}_file = \"PATH\"`"
            )));
        }
    };
    let token = text.trim_end_matches(['\r', '\n']).to_owned();
    if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic() || b == b' ') {
        return Err(Failure::new(
            BAD_INPUT,
            format_args!("{section}: the {what} is not one line of ASCII"),
        )
        .hint("the file or variable holds the token and nothing else"));
    }
    Ok(token)
}

/// Whether a token may be sent there: https, or http to this host.
fn is_safe(address: &str) -> bool {
    if let Some(rest) = address.strip_prefix("https://") {
        return is_plain(rest);
    }
    let Some(rest) = address.strip_prefix("http://").filter(|rest| is_plain(rest)) else {
        return false;
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    ["127.0.0.1", "[::1]", "localhost"].contains(&host)
}

/// A host and path without user, query and fragment.
fn is_plain(rest: &str) -> bool {
    !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~/:[]".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_over_https_or_to_this_host() {
        for safe in [
            "https://api.example",
            "https://a.example:8443/api/v3",
            "http://127.0.0.1:80/x",
            "http://[::1]:9",
            "http://localhost",
        ] {
            assert!(is_safe(safe), "{safe}");
        }
        for bad in [
            "http://api.example",
            "ftp://x",
            "https://",
            "http://127.0.0.1.evil.example",
            "http://localhost@evil.example",
            "https://user@host",
            "https://h/?q",
            "http://127.0.0.1@e:1",
        ] {
            assert!(!is_safe(bad), "{bad}");
        }
    }
}
