//! Who sent it: every scheme takes what its sender signs, and nothing that differs from it in one bit.

use std::collections::BTreeMap;

use backtrail_ingest::authenticate::{
    Authenticator, Key, Refused, Request, SCHEMES, Scheme, Secret, default_scheme, is_secret,
};
use backtrail_schemas::Timestamp;

/// One delivery as a sender of the scheme makes it, with the header that carries its credentials.
struct Vector {
    scheme: Scheme,
    secret: &'static str,
    /// Names in lower case.
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    method: &'static str,
    /// Where the sender's clock stood, in seconds since 1970; any time will do where none is signed.
    at_s: i64,
}

const SECRET: &str = "orchard-lantern-0417";
const BODY: &str = r#"{"id":"D-1","state":"live"}"#;
const AT_S: i64 = 1_790_000_000;

/// Made with `openssl dgst -hmac`, not with the code under test.
const VECTORS: &[Vector] = &[
    Vector {
        scheme: Scheme::GitHub,
        secret: SECRET,
        headers: &[(
            "x-hub-signature-256",
            "sha256=f1b9184745056218b48a85b02975bda50757f31c73a921b873ef5bbed37fe2cd",
        )],
        body: BODY,
        method: "hmac-sha256",
        at_s: AT_S,
    },
    // Published by GitHub, "Validating webhook deliveries".
    Vector {
        scheme: Scheme::GitHub,
        secret: "It's a Secret to Everybody",
        headers: &[(
            "x-hub-signature-256",
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
        )],
        body: "Hello, World!",
        method: "hmac-sha256",
        at_s: AT_S,
    },
    Vector {
        scheme: Scheme::Jira,
        secret: SECRET,
        headers: &[(
            "x-hub-signature",
            "sha256=f1b9184745056218b48a85b02975bda50757f31c73a921b873ef5bbed37fe2cd",
        )],
        body: BODY,
        method: "hmac-sha256",
        at_s: AT_S,
    },
    Vector {
        scheme: Scheme::PagerDuty,
        secret: SECRET,
        headers: &[(
            "x-pagerduty-signature",
            "v1=f1b9184745056218b48a85b02975bda50757f31c73a921b873ef5bbed37fe2cd",
        )],
        body: BODY,
        method: "hmac-sha256",
        at_s: AT_S,
    },
    Vector {
        scheme: Scheme::Sentry,
        secret: SECRET,
        headers: &[(
            "sentry-hook-signature",
            "f1b9184745056218b48a85b02975bda50757f31c73a921b873ef5bbed37fe2cd",
        )],
        body: BODY,
        method: "hmac-sha256",
        at_s: AT_S,
    },
    Vector {
        scheme: Scheme::LaunchDarkly,
        secret: SECRET,
        headers: &[(
            "x-ld-signature",
            "f1b9184745056218b48a85b02975bda50757f31c73a921b873ef5bbed37fe2cd",
        )],
        body: BODY,
        method: "hmac-sha256",
        at_s: AT_S,
    },
    Vector {
        scheme: Scheme::FireHydrant,
        secret: SECRET,
        headers: &[(
            "fh-signature",
            "f1b9184745056218b48a85b02975bda50757f31c73a921b873ef5bbed37fe2cd",
        )],
        body: BODY,
        method: "hmac-sha256",
        at_s: AT_S,
    },
    Vector {
        scheme: Scheme::Terraform,
        secret: SECRET,
        headers: &[(
            "x-tfe-notification-signature",
            "cf544763adb7d2e71e4bc979c1b4f3b459f9503f8aa23a360cc9ff6b8e0f3bda8bbe633bb4db7c13370c5990de32666ce45f30eb6b92c9b210554f26cf888807",
        )],
        body: BODY,
        method: "hmac-sha512",
        at_s: AT_S,
    },
    Vector {
        scheme: Scheme::Flux,
        secret: SECRET,
        headers: &[(
            "x-signature",
            "sha256=f1b9184745056218b48a85b02975bda50757f31c73a921b873ef5bbed37fe2cd",
        )],
        body: BODY,
        method: "hmac-sha256",
        at_s: AT_S,
    },
    Vector {
        scheme: Scheme::Flux,
        secret: SECRET,
        headers: &[(
            "x-signature",
            "sha384=16521ceaea4dcd9d8dbb42695ec3e607dc6ddf32e59a1adf9cf6c894c3d29fb13a91fc8192e2272b58bda74bf50ebb53",
        )],
        body: BODY,
        method: "hmac-sha384",
        at_s: AT_S,
    },
    Vector {
        scheme: Scheme::Flux,
        secret: SECRET,
        headers: &[(
            "x-signature",
            "sha512=cf544763adb7d2e71e4bc979c1b4f3b459f9503f8aa23a360cc9ff6b8e0f3bda8bbe633bb4db7c13370c5990de32666ce45f30eb6b92c9b210554f26cf888807",
        )],
        body: BODY,
        method: "hmac-sha512",
        at_s: AT_S,
    },
    Vector {
        scheme: Scheme::Grafana,
        secret: SECRET,
        headers: &[(
            "x-grafana-alerting-signature",
            "f1b9184745056218b48a85b02975bda50757f31c73a921b873ef5bbed37fe2cd",
        )],
        body: BODY,
        method: "hmac-sha256",
        at_s: AT_S,
    },
    Vector {
        scheme: Scheme::Grafana,
        secret: SECRET,
        headers: &[
            (
                "x-grafana-alerting-signature",
                "eba42da9eb450d4647b1a5b76b91e14f0ff6abccceb07af411e8eb34f3715b5d",
            ),
            ("x-grafana-time", "1790000000"),
        ],
        body: BODY,
        method: "hmac-sha256",
        at_s: AT_S,
    },
    Vector {
        scheme: Scheme::Rootly,
        secret: SECRET,
        headers: &[(
            "x-rootly-signature",
            "t=1790000000,v1=9deeeac936e29bf34f59fc0895144cb65a3d30ec7e3487bea11157d7bf02ac9e",
        )],
        body: BODY,
        method: "hmac-sha256",
        at_s: AT_S,
    },
    Vector {
        scheme: Scheme::Stripe,
        secret: SECRET,
        headers: &[(
            "stripe-signature",
            "t=1790000000,v1=f26b8ed4c7da8ab9cf27014c3f3271f0ac17f37304c029db2150bd02096c71d4",
        )],
        body: BODY,
        method: "hmac-sha256",
        at_s: AT_S,
    },
    Vector {
        scheme: Scheme::Slack,
        secret: SECRET,
        headers: &[
            (
                "x-slack-signature",
                "v0=3d1c916b2f1c21ba2d63cc7470e1efd857e1586f8691199964b035b2bacae161",
            ),
            ("x-slack-request-timestamp", "1790000000"),
        ],
        body: BODY,
        method: "hmac-sha256",
        at_s: AT_S,
    },
    Vector {
        scheme: Scheme::StandardWebhooks,
        secret: "whsec_b3JjaGFyZC1sYW50ZXJuLWtleS0yNGJ5",
        headers: &[
            ("webhook-id", "msg_own1"),
            ("webhook-timestamp", "1790000000"),
            ("webhook-signature", "v1,0i8bJ/OtwxXQ4samtJuLSeuVAiLOps4jXMjJmqme/f0="),
        ],
        body: BODY,
        method: "hmac-sha256",
        at_s: AT_S,
    },
    Vector {
        scheme: Scheme::StandardWebhooks,
        secret: "whsec_b3JjaGFyZC1sYW50ZXJuLWtleS0yNGJ5",
        headers: &[
            ("svix-id", "msg_own1"),
            ("svix-timestamp", "1790000000"),
            ("svix-signature", "v1,0i8bJ/OtwxXQ4samtJuLSeuVAiLOps4jXMjJmqme/f0="),
        ],
        body: BODY,
        method: "hmac-sha256",
        at_s: AT_S,
    },
    // Published with the Standard Webhooks libraries.
    Vector {
        scheme: Scheme::StandardWebhooks,
        secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        headers: &[
            ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            ("webhook-timestamp", "1614265330"),
            ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
        ],
        body: r#"{"test": 2432232314}"#,
        method: "hmac-sha256",
        at_s: 1_614_265_330,
    },
    Vector {
        scheme: Scheme::GitLab,
        secret: SECRET,
        headers: &[("x-gitlab-token", "orchard-lantern-0417")],
        body: BODY,
        method: "token",
        at_s: AT_S,
    },
    Vector {
        scheme: Scheme::Header,
        secret: SECRET,
        headers: &[("x-our-token", "orchard-lantern-0417")],
        body: BODY,
        method: "token",
        at_s: AT_S,
    },
    Vector {
        scheme: Scheme::Bearer,
        secret: SECRET,
        headers: &[("authorization", "Bearer orchard-lantern-0417")],
        body: BODY,
        method: "bearer",
        at_s: AT_S,
    },
    Vector {
        scheme: Scheme::Basic,
        secret: "deployer:orchard-lantern",
        headers: &[("authorization", "Basic ZGVwbG95ZXI6b3JjaGFyZC1sYW50ZXJu")],
        body: BODY,
        method: "basic",
        at_s: AT_S,
    },
];

fn authenticator(scheme: Scheme, keys: &[(&str, &str)]) -> Authenticator {
    let key =
        |(id, secret): &(&str, &str)| Key { id: (*id).to_owned(), secret: Secret::new(*secret) };
    let header = (scheme == Scheme::Header).then_some("X-Our-Token");
    Authenticator::new(scheme, header, None, keys.iter().map(key).collect()).unwrap()
}

fn with_timestamp_header() -> Authenticator {
    let key = Key { id: "a".to_owned(), secret: Secret::new(SECRET) };
    Authenticator::new(Scheme::Grafana, None, Some("X-Grafana-Time"), vec![key]).unwrap()
}

fn owned(headers: &[(&str, &str)]) -> BTreeMap<String, String> {
    headers.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn ask(
    authenticator: &Authenticator,
    headers: &BTreeMap<String, String>,
    body: &[u8],
    at_s: i64,
) -> Result<(&'static str, String), Refused> {
    let now = Timestamp::from_micros(at_s * 1_000_000).unwrap();
    let request = Request { headers, body, names: &["ci.example".to_owned()], now };
    authenticator.verify(&request).map(|held| (held.method, held.key_id))
}

fn of(vector: &Vector) -> Authenticator {
    if vector.headers.iter().any(|(name, _)| *name == "x-grafana-time") {
        return with_timestamp_header();
    }
    authenticator(vector.scheme, &[("a", vector.secret)])
}

#[test]
fn every_scheme_takes_what_its_sender_signs() {
    for vector in VECTORS {
        let held = ask(&of(vector), &owned(vector.headers), vector.body.as_bytes(), vector.at_s);
        assert_eq!(held, Ok((vector.method, "a".to_owned())), "{:?}", vector.headers);
    }
    for (word, scheme) in SCHEMES.iter().filter(|(_, scheme)| *scheme != Scheme::Mtls) {
        assert!(VECTORS.iter().any(|v| v.scheme == *scheme), "no vector for {word}");
    }
}

#[test]
fn one_bit_makes_another_delivery() {
    let mut flips = 0;
    for vector in VECTORS {
        let authenticator = of(vector);
        let refused = |headers: &BTreeMap<String, String>, body: &[u8], what: &str| {
            let held = ask(&authenticator, headers, body, vector.at_s);
            assert!(held.is_err(), "{:?}: {what}", vector.scheme);
        };
        let headers = owned(vector.headers);
        for bit in 0..vector.body.len() * 8 {
            if authenticator.signs_body() {
                let mut body = vector.body.as_bytes().to_vec();
                body[bit / 8] ^= 1 << (bit % 8);
                refused(&headers, &body, &format!("bit {bit} of the body"));
                flips += 1;
            }
        }
        for (name, text) in vector.headers {
            // The word before a bearer or basic secret is in any case.
            let from = if *name == "authorization" { text.find(' ').unwrap() + 1 } else { 0 };
            for bit in from * 8..text.len() * 8 {
                let mut bytes = text.as_bytes().to_vec();
                bytes[bit / 8] ^= 1 << (bit % 8);
                // What is no UTF-8 never gets here: the server refuses such a header.
                let Ok(changed) = String::from_utf8(bytes) else { continue };
                let mut headers = headers.clone();
                headers.insert((*name).to_owned(), changed.clone());
                refused(&headers, vector.body.as_bytes(), &format!("{name}: {changed}"));
                flips += 1;
            }
        }
    }
    assert!(flips > 10_000, "{flips}");
}

#[test]
fn each_live_secret_holds_and_says_which_it_was() {
    for vector in VECTORS.iter().filter(|v| v.headers.iter().all(|(n, _)| *n != "x-grafana-time")) {
        let other = match vector.scheme {
            Scheme::Basic => "someone:else-entirely",
            Scheme::StandardWebhooks => "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX",
            _ => "another-secret-of-ours",
        };
        let (headers, body) = (owned(vector.headers), vector.body.as_bytes());
        for keys in
            [[("new", other), ("old", vector.secret)], [("old", vector.secret), ("new", other)]]
        {
            let held = ask(&authenticator(vector.scheme, &keys), &headers, body, vector.at_s);
            assert_eq!(held.unwrap().1, "old", "{:?}", vector.scheme);
        }
        let changed = authenticator(vector.scheme, &[("new", other)]);
        let held = ask(&changed, &headers, body, vector.at_s);
        assert_eq!(held, Err(Refused::Wrong), "{:?}", vector.scheme);
        let nothing = ask(&changed, &BTreeMap::new(), body, vector.at_s);
        assert_eq!(nothing, Err(Refused::Missing), "{:?}", vector.scheme);
    }
}

#[test]
fn a_signed_time_is_near() {
    let timed = [Scheme::StandardWebhooks, Scheme::Rootly, Scheme::Slack, Scheme::Stripe];
    for vector in VECTORS {
        let is_timed = timed.contains(&vector.scheme)
            || vector.headers.iter().any(|(name, _)| *name == "x-grafana-time");
        for (off_s, near) in [(-301, false), (-300, true), (300, true), (301, false)] {
            let (headers, body) = (owned(vector.headers), vector.body.as_bytes());
            let held = ask(&of(vector), &headers, body, vector.at_s + off_s);
            let want = if near || !is_timed { Ok(()) } else { Err(Refused::Stale) };
            assert_eq!(held.map(drop), want, "{:?} {off_s}", vector.scheme);
        }
    }
}

#[test]
fn senders_that_change_keys_send_several_signatures() {
    let of_scheme = |scheme| VECTORS.iter().find(|v| v.scheme == scheme).unwrap();
    for (scheme, header, between, stranger) in [
        (Scheme::PagerDuty, "x-pagerduty-signature", ",", format!("v1={}", "0".repeat(64))),
        (Scheme::PagerDuty, "x-pagerduty-signature", ", ", "v2=whatever".to_owned()),
        (Scheme::StandardWebhooks, "webhook-signature", " ", format!("v1,{}=", "A".repeat(43))),
        (Scheme::StandardWebhooks, "webhook-signature", " ", "v1a,AAAA".to_owned()),
        (Scheme::Stripe, "stripe-signature", ",", format!("v1={}", "0".repeat(64))),
    ] {
        let vector = of_scheme(scheme);
        let mut headers = owned(vector.headers);
        let own = headers[header].clone();
        for text in [format!("{stranger}{between}{own}"), format!("{own}{between}{stranger}")] {
            headers.insert(header.to_owned(), text.clone());
            let held = ask(&of(vector), &headers, vector.body.as_bytes(), vector.at_s);
            assert!(held.is_ok(), "{text}");
        }
        let many = vec![own; 17].join(between);
        headers.insert(header.to_owned(), many);
        assert!(ask(&of(vector), &headers, vector.body.as_bytes(), vector.at_s).is_err());
    }
}

#[test]
fn a_certificate_has_one_of_the_names() {
    let named = |name| authenticator(Scheme::Mtls, &[(name, name)]);
    let none = BTreeMap::new();
    let held = ask(&named("ci.example"), &none, b"", 0);
    assert_eq!(held, Ok(("mtls", "ci.example".to_owned())));
    assert_eq!(ask(&named("ci.example.org"), &none, b"", 0), Err(Refused::Wrong));
}

#[test]
fn what_does_not_fit_a_scheme_is_no_authenticator() {
    let key = |id: &str, secret: &str| Key { id: id.to_owned(), secret: Secret::new(secret) };
    let good = || vec![key("a", SECRET)];
    for (scheme, header, timestamp, keys, said) in [
        (Scheme::GitHub, None, None, vec![], "0 secrets"),
        (Scheme::GitHub, None, None, vec![key("a", "short")], "less than 16 bytes"),
        (Scheme::GitHub, None, None, vec![key("", SECRET)], "1 to 64 visible"),
        (Scheme::GitHub, Some("X-A"), None, good(), "has its own header"),
        (Scheme::GitHub, None, Some("X-A"), good(), "no `timestamp_header`"),
        (Scheme::Header, None, None, good(), "needs `header`"),
        (Scheme::Header, Some("a b"), None, good(), "not the name of a header"),
        (Scheme::Basic, None, None, good(), "`user:password`"),
        (Scheme::StandardWebhooks, None, None, good(), "base64 after `whsec_`"),
    ] {
        let wrong = Authenticator::new(scheme, header, timestamp, keys).unwrap_err();
        assert!(wrong.contains(said), "{wrong}");
        assert!(!wrong.contains(SECRET), "{wrong}");
    }
}

#[test]
fn secrets_are_not_shown() {
    let shown = format!("{:?}", authenticator(Scheme::Bearer, &[("a", SECRET)]));
    assert!(!shown.contains(SECRET) && shown.contains('a'), "{shown}");
}

#[test]
fn headers_with_secrets_are_known_whatever_the_scheme() {
    for vector in VECTORS.iter().filter(|v| !of(v).signs_body()) {
        // The header of scheme `header` has the name that the config gives it.
        let named = vector.headers.iter().filter(|(name, _)| *name != "x-our-token");
        for (name, _) in named {
            assert!(is_secret(name), "{name}");
        }
    }
    for name in ["proxy-authorization", "cookie", "x-gitlab-token", "private-token", "x-api-key"] {
        assert!(is_secret(name), "{name}");
    }
    // Signatures are no secrets: with the body they show later who sent it.
    for vector in VECTORS.iter().filter(|v| of(v).signs_body()) {
        for (name, _) in vector.headers {
            assert!(!is_secret(name), "{name}");
        }
    }
}

#[test]
fn sources_have_their_own_schemes() {
    assert_eq!(default_scheme("github"), Some(Scheme::GitHub));
    assert_eq!(default_scheme("incident-io"), Some(Scheme::StandardWebhooks));
    assert_eq!(default_scheme("native"), None);
    for (word, scheme) in SCHEMES {
        assert_eq!((Scheme::named(word), scheme.word()), (Some(*scheme), *word));
    }
}
