//! A component as ConfigMaps: one that a `Plugin` names, and parts where it is larger than one holds. Parts are named by the
//! component's digest and written first: whoever reads in between finds the old component whole, or the new one.

use std::io::Write as _;

use anyhow::Result;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, write::GzEncoder};
use motet_core::{
    Digest,
    names::{CHUNK_OF_LABEL, CHUNKS_ANNOTATION, DIGEST_ANNOTATION, SIGNATURE_ANNOTATION},
};
use serde_json::{Value, json};

/// Bytes per ConfigMap, before base64: an API server takes 1 MiB of values, and etcd 1.5 MiB of object.
const CHUNK: usize = 700 << 10;

/// The ConfigMaps for `component`, in the order in which to write them: the one that a `Plugin` names comes last.
pub(crate) fn config_maps(
    namespace: &str,
    name: &str,
    key: &str,
    component: &[u8],
    signature: Option<&str>,
) -> Result<Vec<Value>> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(component)?;
    let packed = gzip.finish()?;
    let digest = Digest::of(component);
    let map = |name: &str, annotations: Value, labels: Value, bytes: Option<&[u8]>| {
        let mut map = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": name, "namespace": namespace, "annotations": annotations, "labels": labels },
        });
        map["binaryData"] = bytes.map_or(json!({}), |bytes| json!({ key: STANDARD.encode(bytes) }));
        map
    };
    let mut annotations = json!({ DIGEST_ANNOTATION: digest.to_string() });
    if let Some(signature) = signature {
        annotations[SIGNATURE_ANNOTATION] = json!(signature.trim());
    }
    if packed.len() <= CHUNK {
        return Ok(vec![map(name, annotations, json!({}), Some(&packed))]);
    }
    let part = |i: usize| format!("{name}-{}-{i}", &digest.hex()[..10]);
    let labels = json!({ CHUNK_OF_LABEL: name });
    let mut maps: Vec<Value> = packed
        .chunks(CHUNK)
        .enumerate()
        .map(|(i, bytes)| map(&part(i), json!({}), labels.clone(), Some(bytes)))
        .collect();
    let names: Vec<String> = (0..maps.len()).map(part).collect();
    annotations[CHUNKS_ANNOTATION] = json!(names.join(","));
    maps.push(map(name, annotations, json!({}), None));
    Ok(maps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_one_map_and_what_does_not_is_several() {
        let one = config_maps("ns", "code", "plugin.wasm", b"small", Some("c2ln\n")).unwrap();
        assert_eq!(one.len(), 1);
        assert_eq!(one[0]["metadata"]["annotations"][SIGNATURE_ANNOTATION], "c2ln");
        // Nothing that compresses: a counter hashed.
        let big: Vec<u8> = (0..60_000_u32).flat_map(|i| Digest::of(&i.to_le_bytes()).hex().into_bytes()).collect();
        let many = config_maps("ns", "code", "plugin.wasm", &big, None).unwrap();
        let head = many.last().unwrap();
        let names: Vec<&str> =
            head["metadata"]["annotations"][CHUNKS_ANNOTATION].as_str().unwrap().split(',').collect();
        assert!(names.len() > 1 && many.len() == names.len() + 1);
        for (map, name) in many.iter().zip(&names) {
            assert_eq!(map["metadata"]["name"], **name);
            assert_eq!(map["metadata"]["labels"][CHUNK_OF_LABEL], "code");
            assert!(map.to_string().len() < 1 << 20);
        }
        assert_eq!(head["binaryData"], json!({}));
    }
}
