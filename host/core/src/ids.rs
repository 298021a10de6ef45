//! Names of members and plugins, and digests of components: small values that are cheap to clone and checked once.

use std::{fmt, str::FromStr, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// Longest plugin name in bytes: it must fit behind `motet-` in a ConfigMap name and `motet.dev/` in a finalizer.
pub const MAX_PLUGIN_NAME: usize = 40;

/// A name that breaks the rules of its kind.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{what} name {name:?} is not valid: {rule}")]
pub struct InvalidName {
    what: &'static str,
    name: String,
    rule: &'static str,
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        #[schemars(with = "String")]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks `name` and wraps it.
            pub fn new(name: impl AsRef<str>) -> Result<Self, InvalidName> {
                let name = name.as_ref();
                match $check(name) {
                    Ok(()) => Ok(Self(name.into())),
                    Err(rule) => Err(InvalidName { what: $what, name: name.into(), rule }),
                }
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;
            fn from_str(s: &str) -> Result<Self, InvalidName> {
                Self::new(s)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;
            fn try_from(s: String) -> Result<Self, InvalidName> {
                Self::new(s)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.to_string()
            }
        }
    };
}

name_type!(
    /// The name of a member cluster: a DNS-1123 subdomain of at most 253 bytes (the rule for a Secret's name).
    MemberName, "member", check_subdomain
);
name_type!(
    /// The name of a plugin: a DNS-1123 label of at most [`MAX_PLUGIN_NAME`] bytes.
    PluginName, "plugin", check_plugin
);

fn label_chars(name: &str) -> bool {
    let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    edge(name.as_bytes().first())
        && edge(name.as_bytes().last())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn check_subdomain(name: &str) -> Result<(), &'static str> {
    if name.len() <= 253 && name.split('.').all(label_chars) {
        Ok(())
    } else {
        Err("use lower-case letters, digits, '-' and '.', start and end with a letter or digit, at most 253 bytes")
    }
}

fn check_plugin(name: &str) -> Result<(), &'static str> {
    if name.len() <= MAX_PLUGIN_NAME && label_chars(name) {
        Ok(())
    } else {
        Err("use lower-case letters, digits and '-', start and end with a letter or digit, at most 40 bytes")
    }
}

/// The SHA-256 of a component's bytes, as fetched and before any compilation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[schemars(with = "String")]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// Hashes `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The lower-case hex digits, without the `sha256:` prefix.
    pub fn hex(&self) -> String {
        self.0.iter().map(|b| format!("{b:02x}")).collect()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.to_string()
    }
}

impl TryFrom<String> for Digest {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        let invalid = || InvalidName { what: "digest", name: text.clone(), rule: "use sha256: and 64 hex digits" };
        let hex = text.strip_prefix("sha256:").filter(|h| h.len() == 64 && h.is_ascii()).ok_or_else(invalid)?;
        let mut bytes = [0; 32];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).map_err(|_| invalid())?;
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_their_rules() {
        for good in ["a", "edge-1", "x9"] {
            assert!(PluginName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a.b", "a_b", &"a".repeat(41)] {
            assert!(PluginName::new(bad).is_err(), "{bad}");
        }
        assert!(MemberName::new("edge.berlin-3").is_ok());
        assert!(MemberName::new("edge..berlin").is_err());
    }

    #[test]
    fn a_digest_reads_back_what_it_prints() {
        let digest = Digest::of(b"motet");
        assert_eq!(Digest::try_from(digest.to_string()).unwrap(), digest);
        assert!(Digest::try_from("sha256:zz".to_string()).is_err());
    }
}
