//! HTTPS of the host: the certificate of its files, also once they have changed.

use std::path::Path;

use anyhow::Result;
use motet_scenarios::{
    ask,
    host::HostProcess,
    real::credentials::{Authority, Pair},
    ship::motet,
    wait,
};

/// A folder of members without any: what a host without a hub needs at least.
pub(crate) fn no_members(folder: &Path) -> Result<String> {
    let members = folder.join("members");
    std::fs::create_dir_all(&members)?;
    Ok(members.display().to_string())
}

/// Puts a pair where a kubelet would: files that lead through the symlink `..data` to a folder, which is swapped in one step.
fn publish(folder: &Path, version: &str, pair: &Pair) -> Result<()> {
    std::fs::create_dir_all(folder.join(version))?;
    for (name, content) in [("tls.crt", &pair.certificate), ("tls.key", &pair.key)] {
        std::fs::write(folder.join(version).join(name), content)?;
        if !folder.join(name).is_symlink() {
            std::os::unix::fs::symlink(format!("..data/{name}"), folder.join(name))?;
        }
    }
    std::os::unix::fs::symlink(version, folder.join("..next"))?;
    Ok(std::fs::rename(folder.join("..next"), folder.join("..data"))?)
}

fn start(folder: &Path) -> Result<HostProcess> {
    let members = no_members(folder)?;
    let [certificate, key] = ["tls.crt", "tls.key"].map(|name| folder.join(name).display().to_string());
    HostProcess::start(folder, &["--hub", "none", "--members", &members, "--tls-cert", &certificate, "--tls-key", &key])
}

/// Waits until the host serves a certificate other than `before`, or any.
async fn certificate(host: &HostProcess, ca: &str, before: &[u8]) -> Result<Vec<u8>> {
    wait::until("another certificate", || async {
        let answer = ask::https(host.port(), ca, "/healthz", None).await.map_err(|e| format!("{e:#}"))?;
        if answer.code == 200 && answer.certificate != before {
            Ok(answer.certificate)
        } else {
            Err(String::from("the same"))
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_served_without_a_restart_and_a_broken_one_is_not() -> Result<()> {
    let (folder, authority) = (tempfile::tempdir()?, Authority::new("motet-host-ca")?);
    publish(folder.path(), "1", &authority.server()?)?;
    let host = start(folder.path())?;
    let first = certificate(&host, &authority.pem, &[]).await?;

    // The command line believes the authority that it is told of, and no other.
    std::fs::write(folder.path().join("ca.crt"), &authority.pem)?;
    let url = format!("https://localhost:{}", host.port());
    motet(folder.path(), &["status", "--host", &url, "--host-ca", "ca.crt"])?;
    assert!(motet(folder.path(), &["status", "--host", &url]).is_err());
    assert!(ask::http(host.port(), "/healthz", None).await.is_err(), "no plain HTTP on the same port");

    // The key of another certificate.
    let (good, other) = (authority.server()?, authority.server()?);
    publish(folder.path(), "2", &Pair { certificate: good.certificate.clone(), key: other.key })?;
    wait::until("the broken pair to be noticed", || async {
        if host.log().contains("the key is not that of the certificate") { Ok(()) } else { Err("not in the log") }
    })
    .await?;
    assert_eq!(ask::https(host.port(), &authority.pem, "/healthz", None).await?.certificate, first);
    publish(folder.path(), "3", &good)?;
    let second = certificate(&host, &authority.pem, &first).await?;
    assert_ne!(first, second);
    assert_eq!(host.terminate().await?, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_does_not_start_with_a_certificate_that_cannot_be_used() -> Result<()> {
    let (folder, authority) = (tempfile::tempdir()?, Authority::new("motet-host-ca")?);
    publish(folder.path(), "1", &Pair { certificate: "nonsense".into(), key: authority.server()?.key })?;
    let host = start(folder.path())?;
    let log = folder.path().join("host.log");
    assert_eq!(host.ended().await?, 1);
    let said = std::fs::read_to_string(log)?;
    assert!(said.contains("--tls-cert") && said.contains("holds no certificate"), "{said}");
    Ok(())
}
