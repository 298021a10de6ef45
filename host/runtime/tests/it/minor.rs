//! The version law: a component built against 0.1.0 runs in a host that offers one more imported function. The component is
//! kept as a file, so that it stays built against 0.1.0 when the contract moves on.

use motet_core::ports::Limits;
use wasmtime::{
    Engine, Store,
    component::{Component, HasSelf, Linker},
};
use wasmtime_wasi::{ResourceTable, WasiCtx, WasiCtxView, WasiView};

use crate::kit::{STACK, plugin, request, runtime};

const KEPT: &[u8] = include_bytes!("../fixtures/contract-0.1.0.wasm");

/// The host functions of a later 0.1.x. The linker of the test below holds these and WASI, and nothing of 0.1.0.
mod later {
    wasmtime::component::bindgen!({
        inline: r#"
            package motet:plugin@0.1.1;
            interface types {
                record gvk { group: string, version: string, kind: string }
                record object-name { namespace: option<string>, name: string }
                record object-ref { gvk: gvk, name: object-name }
                record api-error { code: u16, reason: string, message: string, retry-after-ms: option<u64> }
            }
            interface reads {
                use types.{gvk, object-ref, api-error};
                variant read-error { not-granted(string), api(api-error) }
                get: func(object: object-ref) -> result<option<list<u8>>, read-error>;
                get-many: func(objects: list<object-ref>) -> list<result<option<list<u8>>, read-error>>;
                record query { gvk: gvk, namespace: option<string>, labels: string, limit: u32, page: option<string> }
                record page { items: list<list<u8>>, next: option<string> }
                %list: func(query: query) -> result<page, read-error>;
                added-later: func() -> u32;
            }
            interface log {
                enum level { trace, debug, info, warn, error }
                max-level: func() -> level;
                log: func(level: level, target: string, message: string, fields: list<tuple<string, string>>);
            }
            world host { import reads; import log; }
        "#,
        world: "host",
    });
}

use later::motet::plugin::{log, reads, types};

#[derive(Default)]
struct Host {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl types::Host for Host {}

impl log::Host for Host {
    fn max_level(&mut self) -> log::Level {
        log::Level::Error
    }
    fn log(&mut self, _: log::Level, _: String, _: String, _: Vec<(String, String)>) {}
}

impl reads::Host for Host {
    fn get(&mut self, _: types::ObjectRef) -> Result<Option<Vec<u8>>, reads::ReadError> {
        Ok(None)
    }
    fn get_many(&mut self, objects: Vec<types::ObjectRef>) -> Vec<Result<Option<Vec<u8>>, reads::ReadError>> {
        objects.iter().map(|_| Ok(None)).collect()
    }
    fn list(&mut self, _: reads::Query) -> Result<reads::Page, reads::ReadError> {
        Ok(reads::Page { items: vec![], next: None })
    }
    fn added_later(&mut self) -> u32 {
        1
    }
}

#[test]
fn imports_of_0_1_0_are_satisfied_by_a_later_0_1() {
    let engine = Engine::default();
    let component = Component::new(&engine, KEPT).unwrap();
    let mut linker = Linker::<Host>::new(&engine);
    wasmtime_wasi::p2::add_to_linker_sync(&mut linker).unwrap();
    later::Host_::add_to_linker::<_, HasSelf<_>>(&mut linker, |host| host).unwrap();
    let mut store = Store::new(&engine, Host::default());
    linker.instantiate(&mut store, &component).expect("the later interfaces satisfy the earlier imports");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kept_component_runs_in_this_host() {
    let compiled = runtime().compile(bytes::Bytes::from_static(KEPT), STACK).await.unwrap();
    assert_eq!(compiled.contract().to_string(), "0.1.0");
    compiled.describe(&plugin()).await.unwrap();
    let nothing = crate::kit::nothing();
    compiled.sandbox(&plugin()).reconcile(request("null"), &Limits::default(), nothing).await.unwrap();
}
