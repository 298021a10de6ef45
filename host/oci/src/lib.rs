//! OCI registries as far as a plugin's component needs them: pull and push under rules about where packets may go, the layouts
//! that Wasm comes in, and cosign signatures by public key.
//!
//! Shared by the host's catalog and the CLI; names neither kube nor wasmtime.

mod credentials;
mod error;
mod guard;
mod layout;
mod local;
mod push;
mod reference;
mod registry;
pub mod signature;
mod token;
mod transport;

pub use credentials::Credentials;
pub use error::OciError;
pub use guard::{HostPattern, Rules};
pub use layout::{ARTIFACT_TYPE, Held, WASM, component_layer};
pub use local::{MAX_COMPONENT, MAX_MANIFEST, Patience};
pub use push::{Pushed, push};
pub use reference::Image;
pub use registry::{Manifest, Registry};
pub use transport::{Http, Trust, connector};
