//! Writes the custom resource definitions of `Plugin` and `Member` into a folder: `cargo run -p motet-catalog --example crds --
//! deploy/crds`.

use std::{env, fs, io, path::PathBuf};

use motet_catalog::crd;

fn main() -> io::Result<()> {
    let folder = PathBuf::from(env::args().nth(1).unwrap_or_else(|| "deploy/crds".into()));
    fs::create_dir_all(&folder)?;
    // kubectl reads YAML 1.1, in which these keys are booleans unless they are quoted.
    let quote = |line: &str| match line.trim_start() {
        key @ ("on:" | "true:") => format!("{}'{}':\n", &line[..line.len() - key.len()], &key[..key.len() - 1]),
        _ => format!("{line}\n"),
    };
    for (name, definition) in [("plugins.yaml", crd::plugin()), ("members.yaml", crd::member())] {
        let yaml = serde_yaml::to_string(&definition).map_err(io::Error::other)?.lines().map(quote).collect::<String>();
        fs::write(
            folder.join(name),
            format!(
                "# Generated from the Rust types: cargo run -p motet-catalog --example crds -- deploy/crds\n{yaml}"
            ),
        )?;
    }
    Ok(())
}
