//! What deploy/ ships is what the types say.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{fs, path::Path};

use motet_catalog::crd;

#[test]
fn the_committed_definitions_are_current() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/crds");
    for (name, wanted) in [("plugins.yaml", crd::plugin()), ("members.yaml", crd::member())] {
        let text = fs::read_to_string(folder.join(name)).unwrap();
        let committed: serde_json::Value = serde_yaml::from_str(&text).unwrap();
        assert!(
            committed == wanted,
            "deploy/crds/{name} is out of date: run cargo run -p motet-catalog --example crds -- deploy/crds"
        );
    }
}
