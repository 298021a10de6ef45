//! Splits the JSON of a list into its objects while it arrives, without building trees or holding the whole list.

use bytes::Bytes;
use motet_core::Gvk;
use serde::Deserialize;

/// A list's own metadata.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ListMeta {
    /// The list's resource version.
    pub(crate) resource_version: String,
    /// Token of the next page; empty at the end.
    #[serde(rename = "continue")]
    pub(crate) next: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Capture {
    Nothing,
    Metadata,
    Item,
}

/// Nesting of the list's own keys, of the elements' braces, and of the elements' own keys.
const LIST: usize = 1;
const ITEM: usize = 3;

/// A scanner over the bytes of one list. It follows strings and nesting only; whether an object is valid JSON inside is for who reads it.
pub(crate) struct ListSplitter {
    /// `{"apiVersion":…,"kind":…`, which objects in lists lack.
    envelope: Vec<u8>,
    max_object: usize,
    depth: usize,
    in_string: bool,
    escaped: bool,
    expect_key: bool,
    in_key: bool,
    key: Vec<u8>,
    capture: Capture,
    captured: Vec<u8>,
    in_items: bool,
    has_items: bool,
    has_api_version: bool,
    has_kind: bool,
    metadata: Vec<u8>,
    done: bool,
}

impl ListSplitter {
    pub(crate) fn new(gvk: &Gvk, max_object: usize) -> Self {
        let envelope = format!("{{\"apiVersion\":{:?},\"kind\":{:?}", gvk.api_version(), &*gvk.kind);
        Self {
            envelope: envelope.into_bytes(),
            max_object,
            depth: 0,
            in_string: false,
            escaped: false,
            expect_key: false,
            in_key: false,
            key: Vec::new(),
            capture: Capture::Nothing,
            captured: Vec::new(),
            in_items: false,
            has_items: false,
            has_api_version: false,
            has_kind: false,
            metadata: Vec::new(),
            done: false,
        }
    }

    /// Takes the next bytes; objects that are complete are added to `out`, each in memory of its own.
    pub(crate) fn push(&mut self, chunk: &[u8], out: &mut Vec<Bytes>) -> Result<(), String> {
        let (mut at, mut start) = (0, 0);
        while at < chunk.len() {
            if self.in_string {
                at = self.string(chunk, at);
                continue;
            }
            match chunk[at] {
                b'"' => self.open_string(),
                brace @ (b'{' | b'[') => start = if self.open(brace) { at } else { start },
                b'}' | b']' => self.close(&chunk[start..=at], out)?,
                b',' => self.expect_key = self.at_keys(),
                _ if self.depth == 0 && !chunk[at].is_ascii_whitespace() => {
                    return Err("the answer is not a JSON object".into());
                }
                _ => {}
            }
            at += 1;
        }
        if self.capture != Capture::Nothing {
            self.captured.extend_from_slice(&chunk[start..]);
            if self.captured.len() > self.max_object {
                return Err(format!("an object has more than {} bytes", self.max_object));
            }
        }
        Ok(())
    }

    /// Checks that the list is complete and returns its metadata.
    pub(crate) fn finish(self) -> Result<ListMeta, String> {
        match (self.done, self.has_items) {
            (false, _) => Err("the list is cut off".into()),
            (true, false) => Err("the answer is not a list".into()),
            (true, true) if self.metadata.is_empty() => Ok(ListMeta::default()),
            (true, true) => {
                serde_json::from_slice(&self.metadata).map_err(|e| format!("the list's metadata is malformed: {e}"))
            }
        }
    }

    fn at_keys(&self) -> bool {
        self.depth == LIST || (self.depth == ITEM && self.in_items)
    }

    fn open_string(&mut self) {
        self.in_string = true;
        if self.expect_key && self.at_keys() {
            self.expect_key = false;
            self.in_key = true;
            self.key.clear();
        }
    }

    /// Moves on inside a string; returns where to go on.
    fn string(&mut self, chunk: &[u8], at: usize) -> usize {
        if self.escaped {
            self.escaped = false;
            return at + 1;
        }
        let found = memchr::memchr2(b'"', b'\\', &chunk[at..]);
        let end = found.map_or(chunk.len(), |f| at + f);
        // Only a handful of short keys matter; a longer one is none of them.
        if self.in_key && self.key.len() < 32 {
            self.key.extend_from_slice(&chunk[at..end]);
        }
        match found.map(|_| chunk[end]) {
            None => return end,
            Some(b'\\') => {
                self.escaped = true;
                self.key.push(b'\\');
            }
            Some(_) => {
                self.in_string = false;
                if std::mem::take(&mut self.in_key) {
                    self.key_read();
                }
            }
        }
        end + 1
    }

    fn key_read(&mut self) {
        if self.depth == LIST {
            // Noted here rather than at its bracket: `items: null` is an empty list too.
            self.has_items |= self.key == b"items";
        } else {
            self.has_api_version |= self.key == b"apiVersion";
            self.has_kind |= self.key == b"kind";
        }
    }

    /// Opens a brace or bracket; true where a capture starts with it.
    fn open(&mut self, brace: u8) -> bool {
        let top_value = self.depth == LIST;
        self.depth += 1;
        let mut starts = false;
        if top_value && brace == b'[' && self.key == b"items" {
            self.in_items = true;
        } else if top_value && brace == b'{' && self.key == b"metadata" {
            self.capture = Capture::Metadata;
            starts = true;
        } else if self.in_items && self.depth == ITEM && brace == b'{' {
            self.capture = Capture::Item;
            (self.has_api_version, self.has_kind) = (false, false);
            starts = true;
        }
        if brace == b'{' && self.at_keys() {
            self.expect_key = true;
        }
        starts
    }

    fn close(&mut self, tail: &[u8], out: &mut Vec<Bytes>) -> Result<(), String> {
        self.depth = self.depth.checked_sub(1).ok_or("the answer closes more than it opens")?;
        match (self.capture, self.depth) {
            (Capture::Item, depth) if depth == ITEM - 1 => {
                out.push(self.item(tail));
                self.captured = Vec::new();
                self.capture = Capture::Nothing;
            }
            (Capture::Metadata, LIST) => {
                self.metadata = std::mem::take(&mut self.captured);
                self.metadata.extend_from_slice(tail);
                self.capture = Capture::Nothing;
            }
            _ => {}
        }
        if self.depth == LIST {
            if self.in_items {
                self.in_items = false;
            }
            self.key.clear();
        }
        self.done |= self.depth == 0;
        Ok(())
    }

    /// One complete object, with `apiVersion` and `kind` put in front where it lacks them.
    fn item(&self, tail: &[u8]) -> Bytes {
        let whole = self.captured.len() + tail.len();
        if self.has_api_version && self.has_kind {
            let mut object = Vec::with_capacity(whole);
            object.extend_from_slice(&self.captured);
            object.extend_from_slice(tail);
            return object.into();
        }
        let mut object = Vec::with_capacity(whole + self.envelope.len());
        object.extend_from_slice(&self.envelope);
        let mut rest = self.captured.iter().chain(tail).skip(1).skip_while(|b| b.is_ascii_whitespace());
        let empty = rest.next() == Some(&b'}');
        object.push(if empty { b'}' } else { b',' });
        if !empty {
            let (head, body) =
                if self.captured.is_empty() { (&[][..], &tail[1..]) } else { (&self.captured[1..], tail) };
            object.extend_from_slice(head);
            object.extend_from_slice(body);
        }
        object.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(json: &str, step: usize) -> Result<(Vec<serde_json::Value>, ListMeta), String> {
        let mut splitter = ListSplitter::new(&Gvk::new("apps", "v1", "Deployment"), 1000);
        let mut out = Vec::new();
        for chunk in json.as_bytes().chunks(step) {
            splitter.push(chunk, &mut out)?;
        }
        let items = out.iter().map(|b| serde_json::from_slice(b).unwrap()).collect();
        Ok((items, splitter.finish()?))
    }

    #[test]
    fn objects_come_out_whole_however_the_bytes_are_cut() {
        let json = r#"{"kind":"DeploymentList","apiVersion":"apps/v1","metadata":{"resourceVersion":"7","continue":"to\"ken"},
            "items":[{"metadata":{"name":"a","x":"}]\\\""},"spec":[{},[1]]}, {}, { },
            {"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"b"}}] , "more":{"items":[{"no":1}]}}"#;
        for step in 1..json.len() {
            let (items, meta) = split(json, step).unwrap();
            assert_eq!((meta.resource_version.as_str(), meta.next.as_str()), ("7", "to\"ken"), "step {step}");
            assert_eq!(items.len(), 4, "step {step}");
            assert!(items.iter().all(|i| i["apiVersion"] == "apps/v1" && i["kind"] == "Deployment"), "{items:?}");
            assert_eq!(items[0]["metadata"]["x"], "}]\\\"");
            assert_eq!(items[3]["metadata"]["name"], "b");
        }
    }

    #[test]
    fn what_is_no_complete_list_is_an_error() {
        for (json, needle) in [
            (r#"{"items":[{"a":1},"#, "cut off"),
            (r#"{"items":[{"a":"#, "cut off"),
            ("", "cut off"),
            (r#"{"kind":"Status"}"#, "not a list"),
            ("[]]", "closes more"),
            ("hello", "not a JSON object"),
        ] {
            let error = split(json, 3).unwrap_err();
            assert!(error.contains(needle), "{json}: {error}");
        }
        let long = format!(r#"{{"items":[{{"a":"{}"}}]}}"#, "x".repeat(2000));
        assert!(split(&long, 100).unwrap_err().contains("more than 1000 bytes"));
    }

    #[test]
    fn no_items_is_an_empty_list() {
        assert_eq!(split(r#"{"metadata":{"resourceVersion":"1"},"items":[]}"#, 5).unwrap().0.len(), 0);
        assert_eq!(split(r#"{"metadata":{"resourceVersion":"1"},"items":null}"#, 5).unwrap().1.resource_version, "1");
    }
}
