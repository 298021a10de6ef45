//! `#[motet_sdk::plugin(...)]`: turns one function into a plugin. What it may say is documented on [`plugin`].

mod declaration;
mod generate;

use proc_macro::TokenStream;
use syn::{ItemFn, parse_macro_input};

/// Makes a reconcile function a plugin.
///
/// The function is `fn(&Context<Config>) -> Result<Outcome>`; `Config` is `()` or a type with `Default`, `serde::Deserialize`
/// and `schemars::JsonSchema`. The attribute is a list of:
///
/// | item | meaning |
/// |---|---|
/// | `watch("v1/Namespace", …)` | the first one is the primary: one key per object |
/// | `member` | instead of a primary: one key per member |
/// | `watch("v1/Pod", map = …, …)` | a related kind; `map` is `owner`, `name`, `namespace`, `member`, `none`, `label("key")`, `annotation("key")` or `path("/spec/nodeName")` |
/// | `applies("v1/ConfigMap")` | a kind that is applied; `set` where it is part of an apply-set, `status` where its status is applied too |
/// | `needs("v1/Secret", "get")` | further access: a kind and verbs |
/// | `status` | the primary's status is applied |
/// | `events` | Events are sent |
/// | `finalizer` | primaries get a finalizer, so that the plugin can clean up |
///
/// A watch takes `labels = "a=b"`, `fields = "…"`, `namespaces = ["…"]`, `projection = ["/metadata/labels"]`,
/// `trigger = generation` or `trigger = ["/spec"]`. Any kind takes `plural = "…"` where its plural is irregular.
#[proc_macro_attribute]
pub fn plugin(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let declaration = parse_macro_input!(attribute as declaration::Declaration);
    let function = parse_macro_input!(item as ItemFn);
    generate::expand(&declaration, &function).unwrap_or_else(syn::Error::into_compile_error).into()
}
