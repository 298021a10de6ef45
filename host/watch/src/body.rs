//! An object's JSON at rest: compressed where that pays.

use std::borrow::Cow;

/// Bytes as they are kept.
#[derive(Debug)]
pub(crate) enum Body {
    Plain(Box<[u8]>),
    /// LZ4 with the length in front.
    Packed(Box<[u8]>),
}

impl Body {
    /// Keeps `json`, compressed if it is larger than `over` and loses at least a quarter.
    pub(crate) fn new(json: Vec<u8>, over: usize) -> Self {
        if json.len() > over {
            let packed = lz4_flex::block::compress_prepend_size(&json);
            if packed.len() <= json.len() / 4 * 3 {
                return Body::Packed(packed.into_boxed_slice());
            }
        }
        Body::Plain(json.into_boxed_slice())
    }

    /// The JSON. What this process packed always unpacks; if memory is corrupt, an empty body fails to parse.
    pub(crate) fn json(&self) -> Cow<'_, [u8]> {
        match self {
            Body::Plain(json) => Cow::Borrowed(json),
            Body::Packed(packed) => Cow::Owned(lz4_flex::block::decompress_size_prepended(packed).unwrap_or_default()),
        }
    }

    /// Bytes at rest.
    pub(crate) fn len(&self) -> usize {
        match self {
            Body::Plain(bytes) | Body::Packed(bytes) => bytes.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_compresses_is_compressed() {
        let regular = b"{\"a\":1}".repeat(500);
        let body = Body::new(regular.clone(), 1024);
        assert!(matches!(body, Body::Packed(_)) && body.len() < regular.len() / 4);
        assert_eq!(*body.json(), regular);
        let mut state = 1u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[0]
        };
        let noise: Vec<u8> = (0..4000).map(|_| next()).collect();
        assert!(matches!(Body::new(noise, 1024), Body::Plain(_)));
        assert!(matches!(Body::new(b"{}".to_vec(), 1024), Body::Plain(_)));
    }
}
