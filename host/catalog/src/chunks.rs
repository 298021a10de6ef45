//! A component in ConfigMaps: in one piece, or as parts that a first ConfigMap names in order; plain, gzip or zstd. The parts are
//! only ever taken as the one whole whose digest the first ConfigMap states: a set that is incomplete, reordered or mixed from
//! two revisions is never loaded.

use std::{collections::BTreeMap, io::Read};

use base64::Engine as _;
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use motet_core::{
    Digest,
    names::{CHUNKS_ANNOTATION, DIGEST_ANNOTATION, SIGNATURE_ANNOTATION},
};
use ruzstd::decoding::StreamingDecoder;
use serde::Deserialize;

use crate::{Refusal, Step};

/// What a component may unpack to: a bomb is refused.
const MAX_COMPONENT: u64 = motet_oci::MAX_COMPONENT;
/// Parts of one component at most; each holds up to a mebibyte.
const MAX_CHUNKS: usize = 128;

/// The ConfigMap that a `Plugin` names.
pub(crate) struct Head {
    /// The value under its key, if it holds the component itself.
    whole: Option<Vec<u8>>,
    /// The names of the parts, in order.
    pub(crate) chunks: Vec<String>,
    digest: Option<Digest>,
    /// The detached signature.
    pub(crate) signature: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConfigMap {
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    data: Option<BTreeMap<String, serde::de::IgnoredAny>>,
    #[serde(default)]
    binary_data: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize, Default)]
struct Metadata {
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::fetch("SourceInvalid", message)
}

impl Head {
    /// Reads the ConfigMap called `name`.
    pub(crate) fn read(json: &[u8], name: &str, key: &str) -> Result<Self, Refusal> {
        let map: ConfigMap = serde_json::from_slice(json).map_err(|e| invalid(format!("ConfigMap {name}: {e}")))?;
        let annotations = map.metadata.annotations.clone().unwrap_or_default();
        let digest = annotations.get(DIGEST_ANNOTATION).map(|d| Digest::try_from(d.clone())).transpose();
        let digest = digest.map_err(|e| invalid(format!("ConfigMap {name}: {DIGEST_ANNOTATION}: {e}")))?;
        let signature = annotations.get(SIGNATURE_ANNOTATION).cloned();
        let Some(chunks) = annotations.get(CHUNKS_ANNOTATION) else {
            let whole = Some(value(&map, name, key)?);
            return Ok(Self { whole, chunks: vec![], digest, signature });
        };
        let chunks: Vec<String> = chunks.split(',').map(|c| c.trim().to_owned()).filter(|c| !c.is_empty()).collect();
        if digest.is_none() {
            return Err(invalid(format!(
                "ConfigMap {name} names chunks without {DIGEST_ANNOTATION}: without it nobody can tell a whole from a mixture"
            )));
        }
        if chunks.is_empty() || chunks.len() > MAX_CHUNKS {
            return Err(invalid(format!(
                "ConfigMap {name} names {} chunks; it must be 1 to {MAX_CHUNKS}",
                chunks.len()
            )));
        }
        Ok(Self { whole: None, chunks, digest, signature })
    }

    /// Puts the component together. `parts` are the ConfigMaps of `chunks`, in order; none where one does not exist.
    pub(crate) fn assemble(self, name: &str, key: &str, parts: &[Option<Bytes>]) -> Result<Bytes, Refusal> {
        let packed = match self.whole {
            Some(whole) => whole,
            None => join(name, key, &self.chunks, parts)?,
        };
        let component = unpack(packed).map_err(|why| invalid(format!("ConfigMap {name}, key {key:?}: {why}")))?;
        let found = Digest::of(&component);
        match self.digest {
            Some(wanted) if wanted != found => {
                let of = if self.chunks.is_empty() { "what it holds" } else { "what its chunks make together" };
                Err(Refusal::new(
                    Step::Verified,
                    "DigestMismatch",
                    format!(
                        "ConfigMap {name} states {wanted}, {of} is {found}: parts of two revisions, or out of order"
                    ),
                ))
            }
            _ => Ok(component.into()),
        }
    }
}

fn join(name: &str, key: &str, chunks: &[String], parts: &[Option<Bytes>]) -> Result<Vec<u8>, Refusal> {
    let missing: Vec<&str> =
        chunks.iter().zip(parts).filter(|(_, part)| part.is_none()).map(|(chunk, _)| chunk.as_str()).collect();
    if !missing.is_empty() || chunks.len() != parts.len() {
        let message = format!("ConfigMap {name} names {} chunks; not there: {}", chunks.len(), missing.join(", "));
        return Err(Refusal::fetch("SourceIncomplete", message));
    }
    let mut whole = Vec::new();
    for (chunk, part) in chunks.iter().zip(parts.iter().flatten()) {
        let map: ConfigMap = serde_json::from_slice(part).map_err(|e| invalid(format!("ConfigMap {chunk}: {e}")))?;
        whole.extend(value(&map, chunk, key)?);
        if whole.len() as u64 > MAX_COMPONENT {
            return Err(Refusal::fetch(
                "TooLarge",
                format!("the chunks of ConfigMap {name} hold more than {MAX_COMPONENT} bytes"),
            ));
        }
    }
    Ok(whole)
}

fn value(map: &ConfigMap, name: &str, key: &str) -> Result<Vec<u8>, Refusal> {
    let Some(text) = map.binary_data.as_ref().and_then(|d| d.get(key)) else {
        let there: Vec<&String> =
            map.binary_data.iter().flat_map(BTreeMap::keys).chain(map.data.iter().flat_map(BTreeMap::keys)).collect();
        return Err(invalid(format!("ConfigMap {name} has no key {key:?} in binaryData; it has {there:?}")));
    };
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .map_err(|e| invalid(format!("ConfigMap {name}: key {key:?} is not base64: {e}")))
}

/// Unpacks what begins like gzip or zstd.
fn unpack(packed: Vec<u8>) -> Result<Vec<u8>, String> {
    match packed.get(..4) {
        Some([0x1f, 0x8b, ..]) => read_all("gzip", MultiGzDecoder::new(&*packed)),
        Some([0x28, 0xb5, 0x2f, 0xfd]) => {
            let decoder = StreamingDecoder::new(&*packed)
                .map_err(|e| format!("it looks like zstd but cannot be unpacked: {e}"))?;
            read_all("zstd", decoder)
        }
        _ => Ok(packed),
    }
}

fn read_all(what: &str, reader: impl Read) -> Result<Vec<u8>, String> {
    let mut unpacked = Vec::new();
    reader
        .take(MAX_COMPONENT + 1)
        .read_to_end(&mut unpacked)
        .map_err(|e| format!("it looks like {what} but cannot be unpacked: {e}"))?;
    if unpacked.len() as u64 > MAX_COMPONENT {
        return Err(format!("it unpacks to more than {MAX_COMPONENT} bytes"));
    }
    Ok(unpacked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::io::Write;

    fn base64(bytes: &[u8]) -> String {
        base64::engine::general_purpose::STANDARD.encode(bytes)
    }

    fn map(key: &str, bytes: &[u8], annotations: Value) -> Bytes {
        json!({"metadata": {"annotations": annotations}, "binaryData": {key: base64(bytes)}}).to_string().into()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    }

    fn whole(json: &[u8]) -> Result<Bytes, Refusal> {
        Head::read(json, "m", "k")?.assemble("m", "k", &[])
    }

    #[test]
    fn a_component_is_read_plain_gzip_or_zstd() {
        let component = b"\0asm and so on and so on and so on";
        let zstd = ruzstd::encoding::compress_to_vec(&component[..], ruzstd::encoding::CompressionLevel::Fastest);
        for packed in [component.to_vec(), gzip(component), zstd] {
            assert_eq!(&*whole(&map("k", &packed, json!({}))).unwrap(), component);
        }
    }

    /// Written by the `zstd` program (1.5), not by the library that reads it here.
    #[test]
    fn a_frame_of_the_zstd_program_is_read() {
        let frame = "KLUv/QBYgQAAMDEyMzQ1Njc4OWFiY2RlZg==";
        let bytes = base64::engine::general_purpose::STANDARD.decode(frame).unwrap();
        assert_eq!(unpack(bytes).unwrap(), b"0123456789abcdef");
    }

    #[test]
    fn a_missing_key_and_bombs_are_refused() {
        assert!(whole(&map("other", b"x", json!({}))).unwrap_err().message.contains("other"));
        let zeros = vec![0; 65 << 20];
        let zstd = ruzstd::encoding::compress_to_vec(&*zeros, ruzstd::encoding::CompressionLevel::Fastest);
        for bomb in [gzip(&zeros), zstd] {
            assert!(whole(&map("k", &bomb, json!({}))).unwrap_err().message.contains("more than"));
        }
        assert!(
            whole(&map("k", &gzip(b"half a file")[..12], json!({})))
                .unwrap_err()
                .message
                .contains("cannot be unpacked")
        );
        let wrong = json!({DIGEST_ANNOTATION: Digest::of(b"else").to_string()});
        assert_eq!(whole(&map("k", b"x", wrong)).unwrap_err().reason, "DigestMismatch");
    }

    /// A head for `component` in chunks called a, b, c.
    fn chunked(component: &[u8], order: &str) -> Bytes {
        json!({"metadata": {"annotations": {CHUNKS_ANNOTATION: order, DIGEST_ANNOTATION: Digest::of(component).to_string()}}})
            .to_string()
            .into()
    }

    fn part(bytes: &[u8]) -> Option<Bytes> {
        Some(map("k", bytes, json!({})))
    }

    #[test]
    fn chunks_are_one_whole_or_nothing() {
        let packed = gzip(b"the component, of which there is one");
        let (first, rest) = packed.split_at(10);
        let (second, third) = rest.split_at(10);
        let assemble = |order: &str, parts: &[Option<Bytes>]| {
            Head::read(&chunked(b"the component, of which there is one", order), "m", "k")?.assemble("m", "k", parts)
        };
        let good = [part(first), part(second), part(third)];
        assert_eq!(&*assemble("a, b,c", &good).unwrap(), b"the component, of which there is one");
        let incomplete = assemble("a,b,c", &[part(first), None, part(third)]).unwrap_err();
        assert_eq!(incomplete.reason, "SourceIncomplete");
        assert!(incomplete.message.ends_with("not there: b"), "{}", incomplete.message);
        assert!(assemble("a,b", &good[..2]).is_err(), "a chunk that the head forgot");
        assert!(assemble("a,c,b", &[part(first), part(third), part(second)]).is_err(), "reordered");
    }

    #[test]
    fn a_mixture_of_two_revisions_is_found_out() {
        let assemble =
            |parts: &[Option<Bytes>]| Head::read(&chunked(b"onetwo", "a,b"), "m", "k")?.assemble("m", "k", parts);
        assert!(assemble(&[part(b"one"), part(b"two")]).is_ok());
        for mixture in [[part(b"one"), part(b"TWO")], [part(b"two"), part(b"one")], [part(b""), part(b"onetw")]] {
            assert_eq!(assemble(&mixture).unwrap_err().reason, "DigestMismatch");
        }
    }

    #[test]
    fn heads_that_cannot_be_right_are_refused() {
        for (annotations, word) in [
            (json!({CHUNKS_ANNOTATION: "a,b"}), DIGEST_ANNOTATION),
            (json!({CHUNKS_ANNOTATION: " , ", DIGEST_ANNOTATION: Digest::of(b"").to_string()}), "0 chunks"),
            (json!({DIGEST_ANNOTATION: "md5:1"}), "md5:1"),
        ] {
            let json = json!({"metadata": {"annotations": annotations}, "binaryData": {"k": ""}}).to_string();
            let refusal = Head::read(json.as_bytes(), "m", "k").err().unwrap();
            assert!(refusal.message.contains(word), "{}", refusal.message);
        }
    }
}
