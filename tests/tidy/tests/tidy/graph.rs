//! What depends on what, under which licence, in how many versions.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

fn metadata() -> Metadata {
    let mut command = MetadataCommand::new();
    command.manifest_path(crate::root().join("Cargo.toml")).other_options(vec![
        "--locked".into(),
        "--filter-platform".into(),
        "x86_64-unknown-linux-gnu".into(),
    ]);
    command.exec().unwrap()
}

/// DESIGN section 3: all -> core; the edges below; app -> all; nobody -> app; no others.
const EDGES: [(&str, &[&str]); 10] = [
    ("motet-core", &[]),
    ("motet-cluster", &["motet-core"]),
    ("motet-watch", &["motet-core"]),
    ("motet-queue", &["motet-core"]),
    ("motet-runtime", &["motet-core"]),
    ("motet-fleet", &["motet-core", "motet-cluster", "motet-watch"]),
    ("motet-oci", &["motet-core"]),
    ("motet-catalog", &["motet-core", "motet-cluster", "motet-runtime", "motet-oci"]),
    ("motet-dispatch", &["motet-core", "motet-queue", "motet-watch"]),
    (
        "motet-host",
        &[
            "motet-core",
            "motet-cluster",
            "motet-watch",
            "motet-fleet",
            "motet-queue",
            "motet-runtime",
            "motet-oci",
            "motet-catalog",
            "motet-dispatch",
        ],
    ),
];

fn dependencies(package: &Package) -> impl Iterator<Item = &str> {
    package.dependencies.iter().filter(|d| d.kind != DependencyKind::Development).map(|d| d.name.as_str())
}

#[test]
fn crates_depend_only_along_the_data_flow() {
    let metadata = metadata();
    let allowed: BTreeMap<_, BTreeSet<&str>> = EDGES.iter().map(|(n, e)| (*n, e.iter().copied().collect())).collect();
    for package in metadata.workspace_packages() {
        let Some(allowed) = allowed.get(package.name.as_str()) else { continue };
        for dependency in dependencies(package).filter(|d| EDGES.iter().any(|(n, _)| n == d)) {
            assert!(allowed.contains(dependency), "{} must not depend on {dependency}", package.name);
        }
    }
}

#[test]
fn kube_and_wasmtime_are_named_only_where_they_may_be() {
    let metadata = metadata();
    let may = |library: &str| -> &[&str] {
        match library {
            "kube" | "k8s-openapi" => &["motet-cluster", "motet-fleet", "motet-catalog", "motet-host"],
            "wasmtime" | "wasmtime-wasi" => &["motet-runtime"],
            _ => &[],
        }
    };
    for package in metadata.workspace_packages().iter().filter(|p| EDGES.iter().any(|(n, _)| *n == p.name.as_str())) {
        for library in ["kube", "k8s-openapi", "wasmtime", "wasmtime-wasi"] {
            let named = dependencies(package).any(|d| d == library);
            assert!(
                !named || may(library).contains(&package.name.as_str()),
                "{} must not name {library}",
                package.name
            );
        }
    }
}

/// Licences that allow what we do. `OR` needs one of them, `AND` all.
const LICENCES: [&str; 14] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

fn allowed(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ").replace(['(', ')'], "");
    expression.split(" AND ").all(|part| part.split(" OR ").any(|l| LICENCES.contains(&l.trim())))
}

#[test]
fn every_licence_is_allowed() {
    let metadata = metadata();
    let bad: Vec<_> = metadata
        .packages
        .iter()
        .filter(|p| !p.license.as_deref().is_some_and(allowed))
        .map(|p| format!("{} {}: {:?}", p.name, p.version, p.license))
        .collect();
    assert!(bad.is_empty(), "not allowed:\n{}", bad.join("\n"));
}

/// Crates that are in the tree in several versions, each because of somebody else's dependency. Whoever adds one says why here.
const DUPLICATES: [(&str, &str); 23] = [
    ("base64", "jsonschema and k8s-openapi are one behind kube"),
    ("bit-set", "jsonschema's fancy-regex is behind cel's antlr4rust"),
    ("bit-vec", "with bit-set, and rcgen's yasna"),
    ("darling", "oci-spec's derive_builder is behind kube-derive"),
    ("darling_core", "with darling"),
    ("darling_macro", "with darling"),
    ("cpufeatures", "sha2 and rand's chacha20"),
    ("embedded-io", "wasmtime's postcard asks for both itself"),
    ("getrandom", "ring, ahash and rand are each at their own"),
    ("hashbrown", "gimli is one behind cranelift"),
    ("io-lifetimes", "wasmtime-wasi's fs-set-times is one behind cap-std"),
    ("linux-raw-sys", "with rustix"),
    ("rand", "ours is one behind wasmtime-wasi's"),
    ("rand_core", "with rand"),
    ("rustix", "prometheus' procfs is one behind"),
    ("syn", "half of the derive macros have moved to 3"),
    ("synstructure", "with syn"),
    ("unicode-width", "promql-parser's lrpar is one behind"),
    ("wasm-encoder", "wasmtime 48 and wit-bindgen 0.61 were released apart"),
    ("wasm-metadata", "with wasm-encoder"),
    ("wasmparser", "with wasm-encoder"),
    ("wit-component", "with wasm-encoder"),
    ("wit-parser", "with wasm-encoder"),
];

#[test]
fn every_duplicate_version_has_a_reason() {
    let metadata = metadata();
    let resolved: BTreeSet<_> = metadata.resolve.iter().flat_map(|r| r.nodes.iter().map(|n| &n.id)).collect();
    let mut versions: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for package in metadata.packages.iter().filter(|p| resolved.contains(&p.id)) {
        versions.entry(&package.name).or_default().insert(package.version.to_string());
    }
    versions.retain(|_, v| v.len() > 1);
    let known = |name: &str| DUPLICATES.iter().any(|(n, _)| *n == name);
    let unknown: Vec<_> = versions.iter().filter(|(name, _)| !known(name)).collect();
    assert!(unknown.is_empty(), "in the tree twice without a reason in DUPLICATES: {unknown:?}");
    let stale: Vec<_> = DUPLICATES.iter().filter(|(name, _)| !versions.contains_key(name)).collect();
    assert!(stale.is_empty(), "no longer in the tree twice, remove from DUPLICATES: {stale:?}");
}
