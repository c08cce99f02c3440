//! The checksum by which Flagger's webhooks call a template, from what its canary keeps of the template.
//!
//! Source: `canaryChecksum` in Flagger's pkg/controller/webhook.go and `ComputeHash` in pkg/canary/spec.go: FNV-1a of
//! what go-spew prints of the two fields, its digits in the alphabet of Kubernetes' generated names.

use backtrail_schemas::Reject;

use crate::node::Node;

/// The letters that Kubernetes spells digits with (`SafeEncodeString` in k8s.io/apimachinery, pkg/util/rand).
const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// The checksum of a template, by the hash that a canary's status has of it, with the configurations that it uses.
pub(super) fn checksum(template: &str, configs: &Node<'_>) -> Result<String, Reject> {
    let configs = printed(configs)?;
    let fields = format!(
        "(struct {{ TrackedConfigs *map[string]string; LastAppliedSpec string }})\
         {{TrackedConfigs:(*map[string]string){configs} LastAppliedSpec:(string){template}}}"
    );
    let digits = fnv1a(fields.as_bytes()).to_string();
    let letter = |digit: u8| char::from(LETTERS[usize::from(digit) % LETTERS.len()]);
    Ok(digits.bytes().map(letter).collect())
}

/// The hashes of the configurations by name, as Go prints a map.
fn printed(configs: &Node<'_>) -> Result<String, Reject> {
    if !configs.exists() {
        return Ok("<nil>".to_owned());
    }
    let object = configs.required_object()?;
    let mut names: Vec<&String> =
        object.value().and_then(|v| v.as_object()).into_iter().flat_map(|map| map.keys()).collect();
    names.sort_unstable();
    let one = |name: &&String| {
        let hash = object.get(name).text()?.unwrap_or_default();
        Ok(format!("{name}:{hash}"))
    };
    let all: Vec<String> = names.iter().map(one).collect::<Result<_, Reject>>()?;
    Ok(format!("map[{}]", all.join(" ")))
}

fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Wanted is what another implementation gives, which was checked against a release of Flagger 1.45.
    #[test]
    fn a_canary_and_its_webhooks_name_one_release() {
        for (configs, want) in [
            (json!({}), "746499bb7"),
            (json!(null), "76866d7486"),
            (json!({"secret/till": "b2", "configmap/cart": "a1"}), "5cc4fdbc6b"),
        ] {
            let status = json!({"trackedConfigs": configs});
            let configs = Node::root(&status).get("trackedConfigs");
            assert_eq!(checksum("7c4d9f", &configs).unwrap(), want, "{status}");
        }
    }

    #[test]
    fn a_configuration_has_a_text() {
        let bad = json!({"configmap/cart": 1});
        let reject = checksum("7c4d9f", &Node::root(&bad)).unwrap_err();
        assert_eq!(reject.reason, "$[\"configmap/cart\"] is a number, not a text");
    }
}
