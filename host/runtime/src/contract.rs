//! Whether a component speaks this host's contract, told before it is compiled for real use.

use semver::Version;
use wasmtime::{Engine, component::Component};

/// The export that every plugin has, with the newest contract version that this host offers.
pub const CONTRACT: &str = "motet:plugin/reconciler@0.1.0";

const INTERFACE: &str = "motet:plugin/reconciler";

/// Why bytes are not a plugin for this host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContractError {
    /// Not WebAssembly at all.
    #[error(
        "the file is not WebAssembly (it starts with {0}): build the plugin for wasm32-wasip2 and use the .wasm it produces"
    )]
    NotWasm(String),
    /// A core module.
    #[error("the file is a core WebAssembly module, not a component: build the plugin for wasm32-wasip2")]
    CoreModule,
    /// A component that exports something else.
    #[error(
        "the component exports {found}, not {CONTRACT}: build it with the Motet SDK, for the world motet:plugin/plugin"
    )]
    WrongWorld {
        /// What it exports.
        found: String,
    },
    /// A component for another version of the contract.
    #[error("the component is built for contract {found}, this host offers {offered}: {}", advice(found, offered))]
    Version {
        /// What it is built for.
        found: Version,
        /// What this host offers.
        offered: Version,
    },
}

fn advice(found: &Version, offered: &Version) -> &'static str {
    if found > offered {
        "update the host, or build the plugin with an older SDK"
    } else {
        "build the plugin with a newer SDK"
    }
}

/// Looks at the first bytes only.
pub(crate) fn check_header(bytes: &[u8]) -> Result<(), ContractError> {
    match bytes {
        [0, b'a', b's', b'm', _, _, 1, 0, ..] => Ok(()),
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => Err(ContractError::CoreModule),
        _ => {
            let start = &bytes[..bytes.len().min(8)];
            Err(ContractError::NotWasm(if start.is_empty() {
                "nothing: it is empty".into()
            } else {
                format!("{start:02x?}")
            }))
        }
    }
}

/// Looks at what the component exports; gives the contract version it is built for.
pub(crate) fn check_exports(engine: &Engine, component: &Component) -> Result<Version, ContractError> {
    let ty = component.component_type();
    let names: Vec<String> = ty.exports(engine).map(|(name, _)| name.to_string()).collect();
    check_names(&names)
}

fn check_names(names: &[String]) -> Result<Version, ContractError> {
    let offered = CONTRACT.rsplit_once('@').and_then(|(_, v)| Version::parse(v).ok()).unwrap_or(Version::new(0, 1, 0));
    let versions = names.iter().filter_map(|name| {
        let (interface, version) = name.rsplit_once('@')?;
        (interface == INTERFACE).then(|| Version::parse(version).ok()).flatten()
    });
    let Some(found) = versions.max() else {
        let found = if names.is_empty() { "nothing".to_string() } else { names.join(", ") };
        return Err(ContractError::WrongWorld { found });
    };
    if (found.major, found.minor) == (offered.major, offered.minor) && found.pre.is_empty() {
        Ok(found)
    } else {
        Err(ContractError::Version { found, offered })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|n| (*n).to_string()).collect()
    }

    #[test]
    fn headers_tell_components_from_the_rest() {
        assert_eq!(check_header(b"\0asm\x0d\0\x01\0..."), Ok(()));
        assert_eq!(check_header(b"\0asm\x01\0\0\0..."), Err(ContractError::CoreModule));
        assert!(matches!(check_header(b"<html>"), Err(ContractError::NotWasm(_))));
        assert!(matches!(check_header(b""), Err(ContractError::NotWasm(_))));
    }

    #[test]
    fn another_contract_is_refused_naming_both_versions() {
        assert_eq!(check_names(&names(&[CONTRACT])), Ok(Version::new(0, 1, 0)));
        assert!(check_names(&names(&["motet:plugin/reconciler@0.1.7"])).is_ok());
        let newer = check_names(&names(&["motet:plugin/reconciler@0.2.0"])).unwrap_err().to_string();
        assert!(newer.contains("0.2.0") && newer.contains("0.1.0") && newer.contains("update the host"), "{newer}");
        let other = check_names(&names(&["wasi:cli/run@0.2.0"])).unwrap_err().to_string();
        assert!(other.contains("wasi:cli/run@0.2.0"), "{other}");
        assert!(check_names(&[]).is_err());
    }
}
