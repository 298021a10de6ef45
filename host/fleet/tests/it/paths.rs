//! Members announced by folders and files.

use std::{fs, os::unix::fs::symlink, time::Duration};

use motet_fleet::{Fleet, FleetEvent, MemberState, Provider};
use tokio::{sync::mpsc, time::timeout};

use super::stage::{IN_TIME, Stage, cluster, settings, until};

fn staged(path: &std::path::Path, poll: Duration) -> Stage {
    let mut settings = settings();
    settings.poll_interval = poll;
    let mut stage = Stage::new();
    (stage.fleet, stage.events) = Fleet::start(settings, vec![Provider::Path(path.into())]);
    stage
}

#[tokio::test]
async fn a_folder_is_followed_by_notification_alone() {
    let (edge, dir) = (cluster("edge").await, tempfile::tempdir().unwrap());
    let mut stage = staged(dir.path(), Duration::from_secs(3600));
    until("the first scan", || stage.fleet.not_ready().is_empty()).await;
    let file = dir.path().join("edge-1.yaml");
    fs::write(&file, edge.kubeconfig()).unwrap();
    assert_eq!(stage.event().await, "engaged edge-1");
    fs::write(&file, "half a fi").unwrap();
    stage.reaches("edge-1", MemberState::Ready, "UpdateRejected").await;
    fs::write(&file, edge.kubeconfig()).unwrap();
    stage.reaches("edge-1", MemberState::Ready, "").await;
    fs::remove_file(&file).unwrap();
    assert_eq!(stage.event().await, "disengaged edge-1");
}

#[tokio::test]
async fn a_path_that_appears_later_is_found_by_polling() {
    let (edge, dir) = (cluster("edge").await, tempfile::tempdir().unwrap());
    let folder = dir.path().join("later").join("members");
    let mut stage = staged(&folder, Duration::from_millis(20));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("a"), edge.kubeconfig()).unwrap();
    assert_eq!(stage.event().await, "engaged a");
}

#[tokio::test]
async fn a_mounted_secret_swaps_all_files_at_once() {
    let (old, new) = ([cluster("a1").await, cluster("b1").await], [cluster("a2").await, cluster("b2").await]);
    let dir = tempfile::tempdir().unwrap();
    for (version, clusters) in [("..v1", &old), ("..v2", &new)] {
        fs::create_dir(dir.path().join(version)).unwrap();
        for (name, cluster) in ["a", "b"].iter().zip(clusters) {
            fs::write(dir.path().join(version).join(name), cluster.kubeconfig()).unwrap();
        }
    }
    symlink("..v1", dir.path().join("..data")).unwrap();
    ["a", "b"].iter().for_each(|n| symlink(format!("..data/{n}"), dir.path().join(n)).unwrap());
    let mut stage = staged(dir.path(), Duration::from_secs(3600));
    engaged(&mut stage.events, 2).await;
    symlink("..v2", dir.path().join("..data_tmp")).unwrap();
    fs::rename(dir.path().join("..data_tmp"), dir.path().join("..data")).unwrap();
    let mut uids = engaged(&mut stage.events, 2).await;
    let mut expected: Vec<_> = new.iter().map(|c| c.uid()).collect();
    uids.sort();
    expected.sort();
    assert_eq!(uids, expected);
}

/// The identities of the next members to be engaged.
async fn engaged(events: &mut mpsc::Receiver<FleetEvent>, count: usize) -> Vec<String> {
    let mut uids = Vec::new();
    while uids.len() < count {
        match timeout(IN_TIME, events.recv()).await.expect("an event in time").unwrap() {
            FleetEvent::Engaged(member) => uids.push(member.info.uid.clone()),
            FleetEvent::Disengaged(_) => {}
            _ => panic!("neither engaged nor disengaged"),
        }
    }
    uids
}

#[tokio::test]
async fn every_context_of_a_file_is_a_member() {
    let (one, two, dir) = (cluster("one").await, cluster("two").await, tempfile::tempdir().unwrap());
    let (first, second) = (one.kubeconfig(), two.kubeconfig());
    let section = |text: &str, key: &str| {
        let start = text.find(&format!("{key}:\n")).unwrap() + key.len() + 2;
        let end =
            text[start..].find("\nusers:").or(text[start..].find("\ncontexts:")).map_or(text.len(), |e| start + e + 1);
        text[start..end].to_string()
    };
    let both: String = ["clusters", "users", "contexts"]
        .iter()
        .map(|k| format!("{k}:\n{}{}", section(&first, k), section(&second, k)))
        .collect();
    let path = dir.path().join("config");
    fs::write(&path, &both).unwrap();
    let mut stage = staged(&path, Duration::from_millis(20));
    engaged(&mut stage.events, 2).await;
    let names: Vec<_> = stage.fleet.snapshot().iter().map(|m| m.name.to_string()).collect();
    assert_eq!(names, ["one", "two"]);
    fs::write(dir.path().join("new"), first).unwrap();
    fs::rename(dir.path().join("new"), &path).unwrap();
    assert_eq!(stage.event().await, "disengaged two");
}
