//! The guest's side of the contract, generated from the SDK's checked copy of the WIT.
#![allow(missing_docs, unsafe_code, unreachable_pub, clippy::all, reason = "generated code")]

wit_bindgen::generate!({
    path: "wit",
    world: "plugin",
    pub_export_macro: true,
    export_macro_name: "export_plugin",
    default_bindings_module: "motet_sdk::bindings",
});
