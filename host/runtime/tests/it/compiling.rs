//! Components compiled by a process of their own: good ones run, and what is made to be hard to compile is refused.

use std::{path::PathBuf, time::Duration};

use bytes::Bytes;
use motet_runtime::{ArtifactDir, CacheKey, CompileError, CompileLimits, Compiler, Runtime, Settings};
use wasm_encoder::{
    CodeSection, Component, ComponentSectionId, Function, FunctionSection, MemorySection, MemoryType, Module,
    ModuleSection, RawSection, TypeSection, ValType,
};

use crate::kit::{STACK, guest, plugin};

fn worker() -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    let found = exe.ancestors().map(|folder| folder.join("examples/worker")).find(|path| path.is_file());
    found.expect("cargo builds the example with the tests")
}

fn runtime(program: PathBuf, limits: CompileLimits, artifacts: ArtifactDir) -> Runtime {
    let compiler = Compiler::process(program, limits);
    Runtime::new(&Settings { compiler, sandboxes: 4, ..Settings::default() }, artifacts).unwrap()
}

async fn refused(component: Vec<u8>, limits: CompileLimits) -> CompileError {
    let runtime = runtime(worker(), limits, ArtifactDir::none());
    runtime.compile(Bytes::from(component), STACK).await.err().expect("it is refused")
}

fn component(module: &Module) -> Vec<u8> {
    let mut component = Component::new();
    component.section(&ModuleSection(module));
    component.finish()
}

/// A module with `functions` functions, each a long chain of sums that no optimiser can shorten.
fn long(functions: u32, length: u32) -> Module {
    let (mut types, mut declared, mut code) = (TypeSection::new(), FunctionSection::new(), CodeSection::new());
    types.ty().function([ValType::I64; 8], [ValType::I64]);
    for seed in 0..functions {
        declared.function(0);
        let mut function = Function::new([(8, ValType::I64)]);
        let mut sink = function.instructions();
        sink.local_get(0);
        for i in 0..length {
            let at = |k: u32| (i.wrapping_mul(2_654_435_761).wrapping_add(seed + k) >> 7) % 16;
            sink.local_get(at(1)).i64_add().local_tee(at(2)).local_get(at(3)).i64_mul().local_get(at(4)).i64_rotl();
        }
        sink.end();
        code.function(&function);
    }
    let mut module = Module::new();
    module.section(&types).section(&declared).section(&code);
    module
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_is_compiled_by_another_process_and_runs_here() {
    let folder = tempfile::tempdir().unwrap();
    let artifacts = || ArtifactDir::open(folder.path(), CacheKey::new(&[1; 32]), 1 << 30).unwrap();
    let first = runtime(worker(), CompileLimits::default(), artifacts());
    let compiled = first.compile(guest("behaviour"), STACK).await.unwrap();
    assert!(!compiled.cached());
    compiled.describe(&plugin()).await.unwrap();
    // A host that starts again needs no compiler for what it knows.
    let again = runtime("/nowhere/to/be/found".into(), CompileLimits::default(), artifacts());
    let known = again.compile(guest("behaviour"), STACK).await.unwrap();
    assert!(known.cached());
    known.describe(&plugin()).await.unwrap();
    let error = again.compile(guest("notes"), STACK).await.err().unwrap();
    assert!(matches!(&error, CompileError::Host(why) if why.contains("/nowhere")), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_component_is_said_by_the_process() {
    let mut broken = guest("behaviour").to_vec();
    broken.truncate(broken.len() / 2);
    let error = refused(broken, CompileLimits::default()).await;
    assert!(matches!(&error, CompileError::Invalid(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_bytes_are_refused_unread() {
    let mut big = Component::new();
    big.section(&RawSection {
        id: ComponentSectionId::CoreCustom as u8,
        data: &[&b"\x05noise"[..], &vec![0; 50 << 20]].concat(),
    });
    let error = refused(big.finish(), CompileLimits::default()).await;
    assert!(matches!(&error, CompileError::Limit(why) if why.contains("bytes")), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn huge_functions_run_into_the_limit_of_cpu_or_memory() {
    let limits = CompileLimits { cpu_seconds: 1, ..CompileLimits::default() };
    let error = refused(component(&long(64, 40_000)), limits).await;
    assert!(matches!(&error, CompileError::Limit(why) if why.contains("1 s of CPU")), "{error}");
    let limits = CompileLimits { memory: 96 << 20, ..CompileLimits::default() };
    let error = refused(component(&long(8, 60_000)), limits).await;
    assert!(matches!(&error, CompileError::Limit(why) if why.contains("memory")), "{error}");
    let limits = CompileLimits { deadline: Duration::from_millis(50), ..CompileLimits::default() };
    let error = refused(component(&long(64, 40_000)), limits).await;
    assert!(matches!(&error, CompileError::Limit(why) if why.contains("longer than")), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_memories_are_refused() {
    let mut memories = MemorySection::new();
    for _ in 0..5_000 {
        memories.memory(MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None });
    }
    let mut module = Module::new();
    module.section(&memories);
    let error = refused(component(&module), CompileLimits::default()).await;
    assert!(matches!(&error, CompileError::Invalid(why) if why.contains("memor")), "{error}");
}
