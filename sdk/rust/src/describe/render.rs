//! Writes a description as the contract's JSON, at compile time: no plugin carries the code that does it.

use super::{Applies, Description, Mapping, Need, Primary, Trigger, Watch};

/// How long the JSON is.
pub const fn length(description: &Description) -> usize {
    write(description, &mut [])
}

/// The JSON without the config's schema, which only exists at run time; `N` is its [`length`].
pub const fn render<const N: usize>(description: &Description) -> [u8; N] {
    let mut json = [0; N];
    write(description, &mut json);
    json
}

/// Writes what fits into `out`; returns how long all of it is.
pub(super) const fn write(description: &Description, out: &mut [u8]) -> usize {
    let mut sink = Sink { out, len: 0, first: true };
    sink.name("{", "name");
    sink.string(description.name);
    sink.name(",", "version");
    sink.string(description.version);
    sink.name(",", "primary");
    match &description.primary {
        Primary::Member => sink.raw(r#"{"member":{}}"#),
        Primary::Object(watch) => {
            sink.raw(r#"{"object":"#);
            sink.watch(watch, None);
            sink.raw("}");
        }
    }
    sink.related(description.related);
    sink.applies(description.applies);
    sink.needs(description);
    sink.raw(if description.finalizer { r#","finalizer":true}"# } else { r#","finalizer":false}"# });
    sink.len
}

const READ: &[&str] = &["get", "list", "watch"];
const APPLY: &[&str] = &["get", "list", "watch", "create", "patch"];
const APPLY_SET: &[&str] = &["get", "list", "watch", "create", "patch", "delete"];
const PATCH: &[&str] = &["patch"];

struct Sink<'a> {
    out: &'a mut [u8],
    len: usize,
    /// Whether the next element of the list being written is its first.
    first: bool,
}

impl Sink<'_> {
    const fn byte(&mut self, byte: u8) {
        if self.len < self.out.len() {
            self.out[self.len] = byte;
        }
        self.len += 1;
    }

    const fn raw(&mut self, text: &str) {
        let mut n = 0;
        while n < text.len() {
            self.byte(text.as_bytes()[n]);
            n += 1;
        }
    }

    const fn name(&mut self, before: &str, name: &str) {
        self.raw(before);
        self.string(name);
        self.raw(":");
    }

    const fn string(&mut self, text: &str) {
        self.byte(b'"');
        self.escaped(text.as_bytes(), 0, text.len());
        self.byte(b'"');
    }

    /// The bytes from `from` to `to`, as the inside of a string.
    const fn escaped(&mut self, bytes: &[u8], mut from: usize, to: usize) {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        while from < to {
            let byte = bytes[from];
            if byte < 0x20 {
                self.raw("\\u00");
                self.byte(HEX[(byte >> 4) as usize]);
                self.byte(HEX[(byte & 15) as usize]);
            } else {
                if byte == b'"' || byte == b'\\' {
                    self.byte(b'\\');
                }
                self.byte(byte);
            }
            from += 1;
        }
    }

    const fn strings(&mut self, texts: &[&str]) {
        self.byte(b'[');
        let mut n = 0;
        while n < texts.len() {
            if n > 0 {
                self.byte(b',');
            }
            self.string(texts[n]);
            n += 1;
        }
        self.byte(b']');
    }

    /// Begins an element of a list.
    const fn element(&mut self) {
        if !self.first {
            self.byte(b',');
        }
        self.first = false;
    }

    /// The members `group`, `version` and `kind` of an object that is still open.
    const fn gvk(&mut self, kind: &str) {
        let (group, version) = (last_slash(kind, last_slash(kind, kind.len())), last_slash(kind, kind.len()));
        self.raw(r#"{"group":""#);
        self.escaped(kind.as_bytes(), 0, group);
        self.raw(r#"","version":""#);
        self.escaped(kind.as_bytes(), after_slash(kind, group), version);
        self.raw(r#"","kind":""#);
        self.escaped(kind.as_bytes(), after_slash(kind, version), kind.len());
        self.byte(b'"');
    }

    const fn watch(&mut self, watch: &Watch, mapping: Option<&Mapping>) {
        self.gvk(watch.kind);
        self.name(r#","scope":{"#, "namespaces");
        self.strings(watch.namespaces);
        self.name(",", "labels");
        self.string(watch.labels);
        self.name(",", "fields");
        self.string(watch.fields);
        self.name("},", "trigger");
        match watch.trigger {
            Trigger::Any => self.string("any"),
            Trigger::Generation => self.string("generation"),
            Trigger::Paths(paths) => {
                self.name("{", "paths");
                self.strings(paths);
                self.byte(b'}');
            }
        }
        if let Some(projection) = watch.projection {
            self.name(",", "projection");
            self.strings(projection);
        }
        if let Some(mapping) = mapping {
            self.name(",", "map");
            self.mapping(mapping);
        }
        self.byte(b'}');
    }

    const fn mapping(&mut self, mapping: &Mapping) {
        let (name, value) = match mapping {
            Mapping::Owner => ("owner", None),
            Mapping::Label(key) => ("label", Some(*key)),
            Mapping::Annotation(key) => ("annotation", Some(*key)),
            Mapping::Name => ("name", None),
            Mapping::Namespace => ("namespace", None),
            Mapping::Path(path) => ("path", Some(*path)),
            Mapping::Member => ("member", None),
            Mapping::None => ("none", None),
        };
        self.name("{", name);
        match value {
            Some(value) => self.string(value),
            None => self.raw("{}"),
        }
        self.byte(b'}');
    }

    const fn related(&mut self, related: &[(Watch, Mapping)]) {
        self.name(",", "related");
        self.byte(b'[');
        self.first = true;
        let mut n = 0;
        while n < related.len() {
            self.element();
            self.watch(&related[n].0, Some(&related[n].1));
            n += 1;
        }
        self.byte(b']');
    }

    const fn applies(&mut self, applies: &[Applies]) {
        self.name(",", "applies");
        self.byte(b'[');
        self.first = true;
        let mut n = 0;
        while n < applies.len() {
            self.element();
            self.gvk(applies[n].kind);
            self.byte(b'}');
            n += 1;
        }
        self.byte(b']');
    }

    /// What watches, applies, status, events and the finalizer imply, then what was asked for besides.
    const fn needs(&mut self, description: &Description) {
        self.name(",", "needs");
        self.byte(b'[');
        self.first = true;
        if let Primary::Object(watch) = &description.primary {
            self.need(watch.kind, watch.plural, "", READ);
            if description.finalizer {
                self.need(watch.kind, watch.plural, "", PATCH);
            }
            if description.status {
                self.need(watch.kind, watch.plural, "/status", PATCH);
            }
        }
        let mut n = 0;
        while n < description.related.len() {
            let watch = &description.related[n].0;
            self.need(watch.kind, watch.plural, "", READ);
            n += 1;
        }
        n = 0;
        while n < description.applies.len() {
            let applies = &description.applies[n];
            self.need(applies.kind, applies.plural, "", if applies.set { APPLY_SET } else { APPLY });
            if applies.status {
                self.need(applies.kind, applies.plural, "/status", PATCH);
            }
            n += 1;
        }
        if description.events {
            self.need("events.k8s.io/v1/Event", None, "", &["create", "patch"]);
        }
        n = 0;
        while n < description.needs.len() {
            let Need { kind, plural, verbs } = description.needs[n];
            self.need(kind, plural, "", verbs);
            n += 1;
        }
        self.byte(b']');
    }

    const fn need(&mut self, kind: &str, plural: Option<&str>, subresource: &str, verbs: &[&str]) {
        self.element();
        let version = last_slash(kind, kind.len());
        self.raw(r#"{"apiGroups":[""#);
        self.escaped(kind.as_bytes(), 0, last_slash(kind, version));
        self.raw(r#""],"resources":[""#);
        match plural {
            Some(plural) => self.escaped(plural.as_bytes(), 0, plural.len()),
            None => self.plural(kind.as_bytes(), after_slash(kind, version)),
        }
        self.raw(subresource);
        self.raw(r#""],"verbs":"#);
        self.strings(verbs);
        self.byte(b'}');
    }

    /// The regular plural of a kind, as API conventions make it: lower case, with `s`, `es` or `ies`.
    const fn plural(&mut self, kind: &[u8], from: usize) {
        let long = kind.len() - from >= 2;
        let last = if kind.len() > from { kind[kind.len() - 1].to_ascii_lowercase() } else { 0 };
        let before = if long { kind[kind.len() - 2].to_ascii_lowercase() } else { 0 };
        let (kept, ending) = match (before, last) {
            (_, b's' | b'x' | b'z') | (b'c' | b's', b'h') => (kind.len(), "es"),
            (b'a' | b'e' | b'i' | b'o' | b'u', b'y') => (kind.len(), "s"),
            (_, b'y') => (kind.len() - 1, "ies"),
            _ => (kind.len(), "s"),
        };
        let mut n = from;
        while n < kept {
            self.byte(kind[n].to_ascii_lowercase());
            n += 1;
        }
        self.raw(ending);
    }
}

/// Where the last slash before `end` is; 0 where there is none.
const fn last_slash(text: &str, end: usize) -> usize {
    let mut n = end;
    while n > 0 {
        n -= 1;
        if text.as_bytes()[n] == b'/' {
            return n;
        }
    }
    0
}

/// Where the part after the slash at `slash` begins; there is none at 0.
const fn after_slash(text: &str, slash: usize) -> usize {
    if slash < text.len() && text.as_bytes()[slash] == b'/' { slash + 1 } else { slash }
}
