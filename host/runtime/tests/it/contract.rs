//! Components of other worlds and other versions.

use motet_runtime::{ArtifactDir, CacheKey, Runtime, Settings};

use crate::kit::{STACK, guest, plugin, runtime};

async fn refusal(wat: &str) -> String {
    let bytes = wat::parse_str(wat).unwrap();
    runtime().compile(bytes.into(), STACK).await.err().expect("must be refused").to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_plugin_is_refused_with_what_to_do() {
    let text = runtime().compile(bytes::Bytes::from_static(b"<html>"), STACK).await.err().unwrap().to_string();
    assert!(text.contains("not WebAssembly"), "{text}");
    let text = refusal("(module)").await;
    assert!(text.contains("core WebAssembly module") && text.contains("wasm32-wasip2"), "{text}");
    let text = refusal("(component)").await;
    assert!(text.contains("exports nothing") && text.contains("motet:plugin/reconciler"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_contract_is_refused_naming_both_versions() {
    let text = refusal(r#"(component (instance $i) (export "motet:plugin/reconciler@0.2.0" (instance $i)))"#).await;
    assert!(text.contains("0.2.0") && text.contains("0.1.0") && text.contains("update the host"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_component_is_refused() {
    let bytes = guest("behaviour");
    let text = runtime().compile(bytes.slice(..bytes.len() / 2), STACK).await.err().unwrap().to_string();
    assert!(text.contains("does not compile"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_start_compiles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for cached in [false, true] {
        let artifacts = ArtifactDir::open(folder.path(), CacheKey::new(&[7; 32]), 1 << 30).unwrap();
        let runtime = Runtime::new(&Settings { sandboxes: 4, ..Settings::default() }, artifacts).unwrap();
        let compiled = runtime.compile(guest("behaviour"), STACK).await.unwrap();
        assert_eq!(compiled.cached(), cached);
        compiled.describe(&plugin()).await.unwrap();
    }
}
