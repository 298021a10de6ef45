//! An object's JSON at rest: compressed where that pays, against a sample of its own kind.

use std::{borrow::Cow, sync::Arc};

/// Longest part of a body that serves as sample.
const SAMPLE: usize = 8 << 10;

/// Another body of the same cache and projection: objects of one kind repeat each other's text, even small ones.
#[derive(Debug, Clone)]
pub(crate) struct Sample(Arc<Vec<u8>>);

impl Sample {
    pub(crate) fn of(json: &[u8]) -> Self {
        Self(Arc::new(json.get(..SAMPLE).unwrap_or(json).to_vec()))
    }
}

/// Bytes as they are kept.
#[derive(Debug)]
pub(crate) struct Body {
    bytes: Box<[u8]>,
    /// What they are packed against; `None` if they are plain.
    sample: Option<Sample>,
}

impl Body {
    /// Keeps `json`, compressed if it is larger than `over` and loses at least a quarter.
    pub(crate) fn new(json: Vec<u8>, over: usize, sample: &Sample) -> Self {
        if json.len() > over {
            let packed = lz4_flex::block::compress_prepend_size_with_dict(&json, &sample.0);
            if packed.len() <= json.len() / 4 * 3 {
                return Self { bytes: packed.into_boxed_slice(), sample: Some(sample.clone()) };
            }
        }
        Self { bytes: json.into_boxed_slice(), sample: None }
    }

    /// The JSON. What this process packed always unpacks; if memory is corrupt, an empty body fails to parse.
    pub(crate) fn json(&self) -> Cow<'_, [u8]> {
        match &self.sample {
            None => Cow::Borrowed(&self.bytes),
            Some(Sample(sample)) => {
                let json = lz4_flex::block::decompress_size_prepended_with_dict(&self.bytes, sample);
                Cow::Owned(json.unwrap_or_default())
            }
        }
    }

    /// Bytes at rest.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_compresses_is_compressed() {
        let sample = Sample::of(br#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web-1","namespace":"shop"}}"#);
        let regular = b"{\"a\":1}".repeat(500);
        let body = Body::new(regular.clone(), 64, &sample);
        assert!(body.sample.is_some() && body.len() < regular.len() / 4);
        assert_eq!(*body.json(), regular);
        let mut state = 1u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[0]
        };
        let noise: Vec<u8> = (0..4000).map(|_| next()).collect();
        assert!(Body::new(noise, 64, &sample).sample.is_none());
        assert!(Body::new(b"{}".to_vec(), 64, &sample).sample.is_none());
        let sibling = br#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web-2","namespace":"shop"}}"#;
        let body = Body::new(sibling.to_vec(), 64, &sample);
        assert!(body.len() < sibling.len() / 2, "a small body is like its siblings");
        assert_eq!(*body.json(), *sibling);
    }
}
