//! Which layer of an image is the component: the layouts that Wasm tools make.

use oci_spec::image::{Descriptor, ImageIndex, ImageManifest};

use crate::{Manifest, OciError};

/// The media type of a component's layer.
pub const WASM: &str = "application/wasm";
/// What `motet push` and `wkg` call the config of such an image.
pub const ARTIFACT_TYPE: &str = "application/vnd.wasm.config.v0+json";
/// Layers of older tools, which are components all the same.
const OTHERS: [&str; 3] = [
    "application/vnd.wasm.content.layer.v1+wasm",
    "application/vnd.module.wasm.content.layer.v1+wasm",
    "application/vnd.bytecodealliance.wasm.component.layer.v0+wasm",
];
/// The title that decides between several.
const TITLE: &str = "org.opencontainers.image.title";

/// What a manifest holds.
#[derive(Debug)]
pub enum Held {
    /// The layer that is the component.
    Layer(Box<Descriptor>),
    /// An index: the manifest to look at instead.
    Child(Box<Descriptor>),
}

/// Finds the component in `manifest`.
pub fn component_layer(manifest: &Manifest) -> Result<Held, OciError> {
    let value: serde_json::Value = serde_json::from_slice(&manifest.bytes)
        .map_err(|e| OciError::Protocol(format!("the manifest is no JSON: {e}")))?;
    let unreadable = |e: serde_json::Error| OciError::Protocol(format!("the manifest cannot be read: {e}"));
    if value["manifests"].is_array() {
        let index: ImageIndex = serde_json::from_value(value).map_err(unreadable)?;
        return child(&index).map(|d| Held::Child(Box::new(d.clone())));
    }
    let image: ImageManifest = serde_json::from_value(value).map_err(unreadable)?;
    layer(&image).map(|d| Held::Layer(Box::new(d.clone())))
}

fn title(descriptor: &Descriptor) -> &str {
    descriptor.annotations().as_ref().and_then(|a| a.get(TITLE)).map_or("", String::as_str)
}

fn layer(image: &ImageManifest) -> Result<&Descriptor, OciError> {
    let is_wasm = |d: &&Descriptor| {
        let kind = d.media_type().to_string();
        kind == WASM || OTHERS.contains(&kind.as_str()) || title(d).ends_with(".wasm")
    };
    let found: Vec<&Descriptor> = image.layers().iter().filter(is_wasm).collect();
    let listed = |all: &[&Descriptor]| -> String {
        let names: Vec<String> = all.iter().map(|d| format!("{} {:?}", d.media_type(), title(d))).collect();
        names.join(", ")
    };
    match found[..] {
        [one] => Ok(one),
        [] => {
            let layers: Vec<&Descriptor> = image.layers().iter().take(8).collect();
            Err(OciError::Layout(format!("the image has no layer of type {WASM}; it has [{}]", listed(&layers))))
        }
        _ => {
            let named: Vec<_> = found.iter().filter(|d| title(d) == "plugin.wasm").collect();
            match named[..] {
                [one] => Ok(one),
                _ => Err(OciError::Layout(format!(
                    "the image has {} components [{}]: title one of them plugin.wasm",
                    found.len(),
                    listed(&found)
                ))),
            }
        }
    }
}

/// The one entry that is for Wasm, or the only one there is; attestations and signatures beside it do not count.
fn child(index: &ImageIndex) -> Result<&Descriptor, OciError> {
    let is_attestation =
        |d: &Descriptor| d.annotations().as_ref().is_some_and(|a| a.contains_key("vnd.docker.reference.type"));
    let images: Vec<&Descriptor> = index.manifests().iter().filter(|d| !is_attestation(d)).collect();
    let architecture = |d: &Descriptor| d.platform().as_ref().map_or(String::new(), |p| p.architecture().to_string());
    let wasm: Vec<&&Descriptor> = images.iter().filter(|d| architecture(d) == "wasm").collect();
    match (&wasm[..], &images[..]) {
        ([one], _) => Ok(one),
        ([], [one]) => Ok(one),
        (several, all) => Err(OciError::Layout(format!(
            "the index has {} images, {} of them for the architecture wasm; exactly one is needed",
            all.len(),
            several.len()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use motet_core::Digest;
    use serde_json::{Value, json};

    fn descriptor(kind: &str, title: Option<&str>) -> Value {
        let mut value = json!({"mediaType": kind, "digest": format!("sha256:{}", "ab".repeat(32)), "size": 3});
        if let Some(title) = title {
            value["annotations"] = json!({ TITLE: title });
        }
        value
    }

    fn held(value: &Value) -> Result<Held, OciError> {
        let bytes = value.to_string().into_bytes();
        component_layer(&Manifest { digest: Digest::of(&bytes), bytes: bytes.into() })
    }

    fn image(layers: &[Value]) -> Value {
        json!({"schemaVersion": 2, "config": descriptor("application/vnd.oci.empty.v1+json", None), "layers": layers})
    }

    #[test]
    fn every_common_layout_has_its_component_found() {
        let others = OTHERS.map(|kind| image(&[descriptor(kind, None)]));
        let oras = image(&[
            descriptor("application/octet-stream", Some("build/p.wasm")),
            descriptor("text/plain", Some("README.md")),
        ]);
        let named = image(&[descriptor(WASM, Some("helper.wasm")), descriptor(WASM, Some("plugin.wasm"))]);
        for good in others.iter().chain([&image(&[descriptor(WASM, None)]), &oras, &named]) {
            assert!(matches!(held(good), Ok(Held::Layer(_))), "{good}");
        }
    }

    #[test]
    fn no_component_or_several_is_said_with_what_is_there() {
        let none = held(&image(&[descriptor("application/vnd.oci.image.layer.v1.tar+gzip", None)])).unwrap_err();
        assert!(none.to_string().contains("tar+gzip"), "{none}");
        let several = held(&image(&[descriptor(WASM, None), descriptor(WASM, None)])).unwrap_err();
        assert_eq!(several.reason(), "ImageLayout");
        assert_eq!(held(&json!("x")).unwrap_err().reason(), "RegistryProtocol");
        assert_eq!(held(&json!({"schemaVersion": 2})).unwrap_err().reason(), "RegistryProtocol");
    }

    #[test]
    fn an_index_leads_to_its_image_for_wasm() {
        let entry = |arch: Option<&str>, attestation: bool| {
            let mut value = descriptor("application/vnd.oci.image.manifest.v1+json", None);
            if let Some(arch) = arch {
                value["platform"] = json!({"architecture": arch, "os": "wasip2"});
            }
            if attestation {
                value["annotations"] = json!({"vnd.docker.reference.type": "attestation-manifest"});
            }
            value
        };
        let index = |entries: &[Value]| json!({"schemaVersion": 2, "manifests": entries});
        for good in [
            vec![entry(None, false)],
            vec![entry(Some("amd64"), false), entry(Some("wasm"), false)],
            vec![entry(None, false), entry(None, true)],
        ] {
            assert!(matches!(held(&index(&good)), Ok(Held::Child(_))), "{good:?}");
        }
        for bad in [
            vec![],
            vec![entry(Some("wasm"), false), entry(Some("wasm"), false)],
            vec![entry(Some("amd64"), false), entry(Some("arm64"), false)],
        ] {
            assert_eq!(held(&index(&bad)).unwrap_err().reason(), "ImageLayout");
        }
    }
}
