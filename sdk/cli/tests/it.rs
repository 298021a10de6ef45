//! The program as people run it: a plugin from `motet new` to a component, by the commands of its README.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// Larger than this, something crept into the SDK that every plugin pays for.
const LIMIT: u64 = 150 << 10;

fn motet(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_motet")).args(arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Shared with this workspace: what is compiled already is not compiled again.
fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from)
}

fn cargo(dir: &Path, arguments: &[&str]) -> String {
    let mut cargo = Command::new(env!("CARGO"));
    let output =
        cargo.args(arguments).arg("--offline").current_dir(dir).env("CARGO_TARGET_DIR", target()).output().unwrap();
    assert!(output.status.success(), "cargo {arguments:?}:\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_new_plugin_passes_its_test_and_becomes_a_small_component() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("team-map");
    let said = stdout(&motet(&["new", "team-map", "--dir", dir.to_str().unwrap()]));
    assert!(said.contains("cargo build --release --target wasm32-wasip2"), "{said}");
    // The versions that this workspace has fetched; without it cargo would ask the registry, which a test must not need.
    fs::copy(repository().join("Cargo.lock"), dir.join("Cargo.lock")).unwrap();
    let tested = cargo(&dir, &["test"]);
    assert!(tested.contains("2 passed"), "{tested}");
    cargo(&dir, &["build", "--release", "--target", "wasm32-wasip2"]);
    let component = target().join("wasm32-wasip2/release/team_map.wasm");
    let size = fs::metadata(&component).unwrap().len();
    println!("a new plugin has {size} bytes");
    assert!(size < LIMIT, "{size}");
    let inspected = stdout(&motet(&["inspect", component.to_str().unwrap()]));
    assert!(inspected.starts_with("contract  0.1.0\n"), "{inspected}");
    for word in
        ["plugin    team-map 0.1.0", "watches   v1/Namespace", "needs     ", "configmaps (core)", "config    none"]
    {
        assert!(inspected.contains(word), "{word} is missing in\n{inspected}");
    }
    // Not by leaving out the names that the host shows when a plugin traps: this one is written nowhere else.
    let bytes = fs::read(&component).unwrap();
    assert!(bytes.windows(11).any(|w| w == b"MotetPlugin"), "the names of its functions are gone");
    let yaml = dir.join("team-map.yaml");
    let rbac = stdout(&motet(&["rbac", yaml.to_str().unwrap()]));
    assert!(rbac.contains("configmaps") && rbac.contains("kind: ClusterRole"), "{rbac}");
}

#[test]
fn the_plugins_of_this_repository_have_rbac() {
    let files: Vec<String> = ["namespace-baseline", "edge-service", "platform-budget"]
        .iter()
        .map(|p| repository().join(format!("plugins/{p}/{p}.yaml")).display().to_string())
        .collect();
    let rbac = stdout(&motet(&["rbac", &files[0], &files[1], &files[2]]));
    for word in ["networkpolicies", "edgeservices/status", "platformbudgets", "aggregate-to-member"] {
        assert!(rbac.contains(word), "{word} is missing in\n{rbac}");
    }
}

#[test]
fn mistakes_are_one_line_and_a_code() {
    let missing = motet(&["rbac", "/nowhere.yaml"]);
    assert_eq!(missing.status.code(), Some(1));
    let said = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(said.lines().count() == 1 && said.contains("/nowhere.yaml"), "{said}");
    assert_eq!(motet(&["new", "Not-A-Name"]).status.code(), Some(2));
    assert!(stdout(&motet(&["completion", "bash"])).contains("complete"));
}
