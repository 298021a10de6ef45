//! Builds runtimes, compiles guests, makes requests.

use std::{path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use motet_core::{
    MemberName, ObjectName, PluginName, Target,
    outcome::{Outcome, ReconcileError},
    ports::{HostCall, HostCalls, HostReply, Limits},
    request::{MemberInfo, Request},
};
use motet_runtime::{ArtifactDir, Compiled, Runtime, Settings};

/// The stack that limits give when they say nothing.
pub(crate) const STACK: u64 = 1 << 20;

pub(crate) fn runtime() -> Runtime {
    Runtime::new(&Settings { sandboxes: 16, ..Settings::default() }, ArtifactDir::none()).unwrap()
}

/// A guest's component. They are built for wasm, which cargo cannot be asked to do on the way to a native test.
pub(crate) fn guest(name: &str) -> Bytes {
    let folder = std::env::var("MOTET_GUESTS").map_or_else(
        |_| {
            let exe = std::env::current_exe().unwrap();
            let target = exe.ancestors().find(|p| p.join("wasm32-wasip2").is_dir());
            target.expect("run `make guests` first").join("wasm32-wasip2/plugin/examples")
        },
        PathBuf::from,
    );
    let path = folder.join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}; run `make guests` first", path.display())).into()
}

pub(crate) fn plugin() -> PluginName {
    PluginName::new("guest").unwrap()
}

pub(crate) async fn behaviour(runtime: &Runtime) -> Compiled {
    runtime.compile(guest("behaviour"), STACK).await.unwrap()
}

pub(crate) fn request(config: &str) -> Request {
    Request {
        member: Arc::new(MemberInfo { name: MemberName::new("edge-1").unwrap(), uid: "u".into(), labels: vec![] }),
        target: Target::Object(ObjectName::namespaced("default", "x")),
        primary: Some(Bytes::from_static(
            br#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"data":{"a":"b"}}"#,
        )),
        deleting: false,
        attempt: 3,
        deadline: Duration::from_secs(5),
        config: Bytes::copy_from_slice(config.as_bytes()),
        previous: Arc::default(),
    }
}

/// Answers every read with nothing.
pub(crate) fn nothing() -> HostCalls {
    Arc::new(|call| {
        Box::pin(async move {
            match call {
                HostCall::Get(objects) => HostReply::Objects(objects.iter().map(|_| Ok(None)).collect()),
                HostCall::List { .. } => HostReply::Page(Ok(Default::default())),
            }
        })
    })
}

pub(crate) async fn run(compiled: &Compiled, config: &str, limits: &Limits) -> Result<Outcome, ReconcileError> {
    let mut request = request(config);
    request.deadline = limits.deadline;
    compiled.sandbox(&plugin()).reconcile(request, limits, nothing()).await
}
