//! What end-to-end tests stand on: real kube-apiservers, the host as a process of its own, and a client to look with.
//!
//! Nothing here asks Motet whether Motet did its work: every check reads the cluster.

pub mod ask;
pub mod baseline;
pub mod embedded;
pub mod host;
pub mod ship;
pub mod site;
pub mod variant;
pub mod webhook;
pub mod wire;

pub use motet_clusters::{audit, client, plain, ports, real, wait};

/// Where tests find what was built: `MOTET_BIN_DIR` or the folder of this test's own profile.
pub fn binary(name: &str) -> std::path::PathBuf {
    if let Some(folder) = std::env::var_os("MOTET_BIN_DIR") {
        return std::path::Path::new(&folder).join(name);
    }
    // Tests are in the profile's folder `deps`, programs beside the one that is looked for.
    let exe = std::env::current_exe().unwrap_or_default();
    let places = exe.ancestors().skip(1).take(2).map(|folder| folder.join(name));
    places.clone().find(|place| place.is_file()).or_else(|| places.last()).unwrap_or_else(|| name.into())
}

/// A plugin's component, built by `make plugins`: `MOTET_PLUGINS_DIR` or beside the target folder of this test.
pub fn plugins_dir() -> std::path::PathBuf {
    if let Some(folder) = std::env::var_os("MOTET_PLUGINS_DIR") {
        return folder.into();
    }
    let exe = std::env::current_exe().unwrap_or_default();
    let target = exe.ancestors().find(|p| p.join("plugins").is_dir());
    target.map(|t| t.join("plugins")).unwrap_or_default()
}

/// The checkout that this was built from.
pub fn repository() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A plugin folder below `folder` with only the named plugins.
pub fn only_plugins(folder: &std::path::Path, names: &[&str]) -> anyhow::Result<String> {
    let plugins = folder.join("plugins");
    std::fs::create_dir_all(&plugins)?;
    for name in names {
        for file in [format!("{name}.yaml"), format!("{name}.wasm")] {
            std::fs::copy(plugins_dir().join(&file), plugins.join(&file))?;
        }
    }
    Ok(plugins.display().to_string())
}
