//! Descriptions, good and bad.

use motet_core::{
    description::Primary,
    outcome::{KillClass, ReconcileError},
};
use motet_runtime::DescribeError;

use crate::kit::{STACK, behaviour, guest, plugin, runtime};

#[tokio::test(flavor = "multi_thread")]
async fn the_sdks_description_is_the_hosts() {
    let runtime = runtime();
    let description = behaviour(&runtime).await.describe(&plugin()).await.unwrap();
    let Primary::Object(watch) = &description.primary else { panic!("{description:?}") };
    assert_eq!((watch.kind.as_str(), watch.projection.as_deref()), ("ConfigMap", Some(&["/data".to_string()][..])));
    assert!(description.config.is_some());
    assert!(description.needs.iter().any(|n| n.resources == ["secrets"] && n.verbs == ["get"]));
    assert!(description.needs.iter().any(|n| n.resources == ["configmaps/status"]));
}

async fn refused(name: &str) -> DescribeError {
    let runtime = runtime();
    runtime.compile(guest(name), STACK).await.unwrap().describe(&plugin()).await.unwrap_err()
}

fn class(error: &DescribeError) -> KillClass {
    match error {
        DescribeError::Call(ReconcileError::Killed { class, .. }) => *class,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_describe_that_loops_traps_or_reads_is_refused() {
    assert_eq!(class(&refused("describe_loop").await), KillClass::Deadline);
    assert_eq!(class(&refused("describe_trap").await), KillClass::Trap);
    let reads = refused("describe_reads").await;
    assert!(reads.to_string().contains("must not read"), "{reads}");
}
