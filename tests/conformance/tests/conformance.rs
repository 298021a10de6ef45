//! Holds every case with a real kube-apiserver and an embedded cluster; each is a test of its own.
#![recursion_limit = "512"]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod cases;

use std::{process::ExitCode, sync::Arc};

use libtest_mimic::{Arguments, Failed, Trial};
use motet_conformance::{
    Case,
    compare::Verdict,
    stage::Stage,
    table::{self, Row},
};
use parking_lot::Mutex;

/// Cases wait more than they compute.
const AT_ONCE: usize = 6;

fn trial(
    case: Case,
    stage: Arc<Mutex<Option<Arc<Stage>>>>,
    runtime: tokio::runtime::Handle,
    rows: Arc<Mutex<Vec<Row>>>,
) -> Trial {
    Trial::test(format!("{}::{}", case.area.replace(' ', "_"), case.name), move || {
        let stage = stage.lock().clone().ok_or_else(|| Failed::from("the clusters did not start"))?;
        let verdict = runtime.block_on(case.hold(&stage));
        rows.lock().push((case.area.into(), case.title(), verdict.clone()));
        match verdict {
            Verdict::Differs(text) => Err(Failed::from(text)),
            _ => Ok(()),
        }
    })
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let stage = Arc::new(Mutex::new(None));
    if !arguments.list {
        let started = runtime.block_on(Stage::start()).expect("a real and an embedded cluster");
        *stage.lock() = Some(Arc::new(started));
    }
    let rows = Arc::new(Mutex::new(Vec::new()));
    let all = cases::all();
    let count = all.len();
    let trials =
        all.into_iter().map(|case| trial(case, stage.clone(), runtime.handle().clone(), rows.clone())).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    // The clusters go before the process does.
    drop(stage.lock().take());
    let rows = rows.lock();
    if rows.len() == count
        && !conclusion.has_failed()
        && let Err(error) = table::settle(&rows)
    {
        eprintln!("{error:#}");
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}
