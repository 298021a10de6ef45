//! Starts a plugin: a crate outside this repository, small enough to be read before it is changed.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

use crate::args::New;

/// The SDK's crate as it was when this program was built.
const SDK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../rust");

/// What is written, and where. `.in` keeps cargo and rustfmt from taking the templates for their own.
const FILES: [(&str, &str); 6] = [
    ("Cargo.toml", include_str!("../templates/Cargo.toml.in")),
    ("build.rs", include_str!("../templates/build.rs.in")),
    ("src/lib.rs", include_str!("../templates/lib.rs.in")),
    ("{name}.yaml", include_str!("../templates/plugin.yaml.in")),
    ("README.md", include_str!("../templates/README.md.in")),
    (".gitignore", "/target\n"),
];

/// Writes the crate, and says what to do next.
pub(crate) fn run(new: &New) -> Result<String> {
    let name = new.name.as_str();
    let dir = new.dir.clone().unwrap_or_else(|| PathBuf::from(name));
    let sdk = dependency(new.sdk_path.as_deref())?;
    let taken = match fs::read_dir(&dir) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(error).with_context(|| format!("looking into {}", dir.display())),
    };
    if taken {
        bail!("{} is there already and not empty: name another folder with --dir", dir.display());
    }
    for (path, template) in FILES {
        let path = dir.join(path.replace("{name}", name));
        let text = fill(template, name, &sdk);
        let write = || -> io::Result<()> {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(&path, text)
        };
        write().with_context(|| format!("writing {}", path.display()))?;
    }
    let dir = dir.display();
    Ok(format!(
        "{dir} is a plugin: read {dir}/src/lib.rs, then\n\n    cd {dir}\n    cargo test\n    cargo build --release --target wasm32-wasip2\n\n\
         README.md says how to run it.\n"
    ))
}

fn fill(template: &str, name: &str, sdk: &str) -> String {
    template.replace("{{name}}", name).replace("{{file}}", &name.replace('-', "_")).replace("{{sdk}}", sdk)
}

/// The SDK as a dependency: a path where there is one, else the version of this program.
fn dependency(path: Option<&Path>) -> Result<String> {
    let wanted = path.unwrap_or(Path::new(SDK));
    let found = wanted.canonicalize().ok().filter(|p| p.join("Cargo.toml").is_file());
    match (found, path) {
        // A TOML basic string takes JSON's escapes.
        (Some(found), _) => Ok(format!("{{ path = {} }}", serde_json::to_string(&found.display().to_string())?)),
        (None, Some(path)) => bail!("--sdk-path {}: there is no crate", path.display()),
        (None, None) => Ok(format!("\"{}\"", env!("CARGO_PKG_VERSION"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use motet_core::PluginName;

    fn new(dir: PathBuf) -> New {
        New { name: PluginName::new("my-plugin").unwrap(), dir: Some(dir), sdk_path: None }
    }

    #[test]
    fn every_place_is_filled_in() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("deep/my-plugin");
        run(&new(dir.clone())).unwrap();
        for (path, _) in FILES {
            let text = fs::read_to_string(dir.join(path.replace("{name}", "my-plugin"))).unwrap();
            assert!(!text.contains("{{"), "{path}: {text}");
        }
        let yaml = fs::read_to_string(dir.join("my-plugin.yaml")).unwrap();
        assert_eq!(crate::plugin::parse(&yaml).unwrap().name.as_str(), "my-plugin");
    }

    #[test]
    fn nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("mine"), "").unwrap();
        let error = run(&new(folder.path().into())).unwrap_err();
        assert!(error.to_string().contains("--dir"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_sdk_is_where_it_is_said_to_be() {
        assert!(dependency(None).unwrap().contains("path = "));
        assert!(dependency(Some(Path::new("/nowhere"))).unwrap_err().to_string().contains("/nowhere"));
    }
}
