//! Who must have signed what: the host's policy by source, and what a `Plugin` asks for beside it.

use std::collections::BTreeMap;

use motet_core::{Digest, plugin::VerifySpec};
use motet_oci::signature::{self, Found, PublicKey};
use serde::Deserialize;

use crate::{Refusal, Step};

/// What a missing or bad signature leads to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strictness {
    /// Nobody looks.
    #[default]
    Off,
    /// It runs, and its conditions say what is missing.
    Warn,
    /// It is refused.
    Enforce,
}

/// The host's policy.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Policy {
    default: Strictness,
    keys: Vec<PublicKey>,
    sources: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq)]
struct Rule {
    prefix: String,
    policy: Strictness,
    keys: Option<Vec<PublicKey>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    #[serde(default)]
    default: Strictness,
    #[serde(default)]
    keys: BTreeMap<String, String>,
    #[serde(default)]
    sources: Vec<SourceDocument>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SourceDocument {
    prefix: String,
    policy: Strictness,
    keys: Option<Vec<String>>,
}

impl Policy {
    /// Reads the file of `--verify`. The error names what is wrong in it.
    pub fn from_yaml(text: &str) -> Result<Self, String> {
        let document: Document = serde_yaml::from_str(text).map_err(|e| e.to_string())?;
        let keys: BTreeMap<String, PublicKey> = document
            .keys
            .iter()
            .map(|(name, pem)| Ok((name.clone(), PublicKey::from_pem(name, pem)?)))
            .collect::<Result<_, String>>()?;
        let named = |prefix: &str, name: &String| {
            keys.get(name)
                .cloned()
                .ok_or_else(|| format!("sources: {prefix:?} wants the key {name:?}, which is not among keys"))
        };
        let rule = |source: SourceDocument| {
            let keys = source.keys.map(|names| names.iter().map(|n| named(&source.prefix, n)).collect()).transpose()?;
            Ok(Rule { prefix: source.prefix, policy: source.policy, keys })
        };
        let sources: Vec<Rule> = document.sources.into_iter().map(rule).collect::<Result<_, String>>()?;
        let policy = Self { default: document.default, keys: keys.into_values().collect(), sources };
        let toothless =
            |strictness: Strictness, keys: &[PublicKey]| strictness == Strictness::Enforce && keys.is_empty();
        if toothless(policy.default, &policy.keys)
            || policy.sources.iter().any(|r| toothless(r.policy, r.keys.as_deref().unwrap_or(&policy.keys)))
        {
            return Err("enforce without any key would refuse everything: add keys".into());
        }
        Ok(policy)
    }

    /// What holds for `source`: the rule with the longest prefix of it, else the default.
    fn rule(&self, source: &str) -> (Strictness, &[PublicKey]) {
        let rule = self.sources.iter().filter(|r| covers(&r.prefix, source)).max_by_key(|r| r.prefix.len());
        rule.map_or((self.default, &self.keys), |r| (r.policy, r.keys.as_deref().unwrap_or(&self.keys)))
    }

    /// Whether signatures of `source` are worth fetching.
    pub(crate) fn looks_at(&self, source: &str, asked: Option<&VerifySpec>) -> bool {
        self.rule(source).0 != Strictness::Off || asked.is_some()
    }

    /// Judges an image by the signatures found beside it: the names of the keys that count, and what is amiss.
    pub(crate) fn image(
        &self,
        source: &str,
        asked: Option<&VerifySpec>,
        digest: Digest,
        found: &[Found],
    ) -> Result<Verdict, Refusal> {
        self.judge(source, asked, |keys| signature::check(found, digest, keys))
    }

    /// Judges a component from a ConfigMap or a folder by its detached signature.
    pub(crate) fn blob(
        &self,
        source: &str,
        asked: Option<&VerifySpec>,
        bytes: &[u8],
        detached: Option<&str>,
    ) -> Result<Verdict, Refusal> {
        self.judge(source, asked, |keys| match detached {
            Some(text) => signature::check_blob(bytes, text, keys).map(|name| vec![name]),
            None => Err("it is not signed".into()),
        })
    }

    fn judge(
        &self,
        source: &str,
        asked: Option<&VerifySpec>,
        check: impl Fn(&[PublicKey]) -> Result<Vec<String>, String>,
    ) -> Result<Verdict, Refusal> {
        let (strictness, keys) = self.rule(source);
        let mut verdict = Verdict::default();
        match (strictness, check(keys)) {
            (Strictness::Off, _) => {}
            (_, Ok(names)) => verdict.signed_by = names,
            (Strictness::Warn, Err(why)) => verdict.warning = Some(format!("{source}: {why} (this host only warns)")),
            (Strictness::Enforce, Err(why)) => {
                let known: Vec<&str> = keys.iter().map(PublicKey::name).collect();
                let message = format!("{source}: {why}; this host wants a signature by one of {known:?} (--verify)");
                return Err(Refusal::new(Step::Verified, "SignatureMissing", message));
            }
        }
        if let Some(asked) = asked {
            let keys = own_keys(asked)?;
            let names = check(&keys).map_err(|why| {
                Refusal::new(
                    Step::Verified,
                    "SignatureMissing",
                    format!("{source}: {why}; spec.verify.keys wants a signature by one of its keys"),
                )
            })?;
            verdict.signed_by.extend(names);
        }
        Ok(verdict)
    }
}

/// What came of looking at signatures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) signed_by: Vec<String>,
    pub(crate) warning: Option<String>,
}

fn own_keys(asked: &VerifySpec) -> Result<Vec<PublicKey>, Refusal> {
    let invalid = |why: String| Refusal::new(Step::Verified, "InvalidObject", format!("spec.verify.keys: {why}"));
    if asked.keys.is_empty() {
        return Err(invalid("name at least one key, or leave spec.verify out".into()));
    }
    let key = |(i, pem): (usize, &String)| PublicKey::from_pem(&format!("spec.verify.keys[{i}]"), pem).map_err(invalid);
    asked.keys.iter().enumerate().map(key).collect()
}

/// Whether `prefix` is `source` or a folder above it: `r.example/team` does not cover `r.example/teammate`.
fn covers(prefix: &str, source: &str) -> bool {
    let rest = source.strip_prefix(prefix);
    rest.is_some_and(|rest| rest.is_empty() || prefix.ends_with('/') || prefix.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE2mmPYe7PxjjpBj08XUxOBUcbxSjL\n2Ec5wy3by7rlzPgTxlcPgzHJ2KjCI/trc2n37ja4J2h/a0aXyopDHTIpDQ==\n-----END PUBLIC KEY-----\n";

    fn policy(sources: &str) -> Result<Policy, String> {
        let key = KEY.replace('\n', "\n    ");
        Policy::from_yaml(&format!("default: warn\nkeys:\n  release: |\n    {key}\nsources: {sources}\n"))
    }

    #[test]
    fn the_longest_prefix_at_a_boundary_decides() {
        let policy =
            policy("[{prefix: r.example/team, policy: enforce}, {prefix: r.example/team/lab/, policy: off}]").unwrap();
        for (source, strictness) in [
            ("r.example/team", Strictness::Enforce),
            ("r.example/team/plugin", Strictness::Enforce),
            ("r.example/teammate/plugin", Strictness::Warn),
            ("r.example/team/lab/plugin", Strictness::Off),
            ("configMap/x", Strictness::Warn),
        ] {
            assert_eq!(policy.rule(source).0, strictness, "{source}");
        }
    }

    #[test]
    fn what_is_unsigned_is_refused_warned_of_or_let_through() {
        let policy = policy("[{prefix: a/, policy: enforce}, {prefix: c/, policy: off}]").unwrap();
        let digest = Digest::of(b"image");
        let refusal = policy.image("a/x", None, digest, &[]).unwrap_err();
        assert_eq!((refusal.step, refusal.reason), (Step::Verified, "SignatureMissing"));
        assert!(refusal.message.contains("not signed") && refusal.message.contains("release"), "{}", refusal.message);
        assert!(policy.image("b/x", None, digest, &[]).unwrap().warning.unwrap().contains("not signed"));
        assert_eq!(policy.image("c/x", None, digest, &[]).unwrap(), Verdict::default());
        let asked = VerifySpec { keys: vec![KEY.into()] };
        assert!(policy.image("c/x", Some(&asked), digest, &[]).is_err(), "a Plugin can ask for more than the host");
        assert!(policy.blob("a/x", None, b"bytes", Some("bm8=")).unwrap_err().message.contains("none of the keys"));
    }

    #[test]
    fn a_policy_that_cannot_work_is_refused() {
        for (text, word) in [
            ("default: enforce", "add keys"),
            ("defualt: warn", "defualt"),
            ("keys: { a: nonsense }", "\"a\""),
            ("sources: [{prefix: x, policy: enforce, keys: [b]}]", "\"b\""),
            ("sources: [{prefix: x, policy: strict}]", "strict"),
        ] {
            let error = Policy::from_yaml(text).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
        assert_eq!(Policy::from_yaml("{}").unwrap(), Policy::default());
    }
}
