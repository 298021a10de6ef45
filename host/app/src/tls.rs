//! The certificate that HTTPS is served with, read again when its files change.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use arc_swap::ArcSwap;
use rustls::{
    InconsistentKeys, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// Time between two looks at the files. They are looked at rather than watched: a kubelet swaps a symlink two folders up.
const LOOK: Duration = Duration::from_secs(2);

/// Where certificate and key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// What the files hold, as bytes.
#[derive(PartialEq, Eq)]
struct Content {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Files {
    async fn read(&self) -> Result<Content> {
        let read = async |flag: &str, path: &PathBuf| {
            tokio::fs::read(path).await.with_context(|| format!("{flag} {} cannot be read", path.display()))
        };
        Ok(Content {
            certificate: read("--tls-cert", &self.certificate).await?,
            key: read("--tls-key", &self.key).await?,
        })
    }

    fn pair(&self, content: &Content, provider: &CryptoProvider) -> Result<CertifiedKey> {
        let what = || format!("--tls-cert {} and --tls-key {}", self.certificate.display(), self.key.display());
        let chain = CertificateDer::pem_slice_iter(&content.certificate)
            .collect::<Result<Vec<_>, _>>()
            .with_context(|| format!("--tls-cert {} is not PEM", self.certificate.display()))?;
        if chain.is_empty() {
            bail!("--tls-cert {} holds no certificate", self.certificate.display());
        }
        let key = PrivateKeyDer::from_pem_slice(&content.key)
            .with_context(|| format!("--tls-key {} holds no PEM key", self.key.display()))?;
        let pair = CertifiedKey::from_der(chain, key, provider);
        match pair {
            Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
                Err(anyhow::anyhow!("the key is not that of the certificate")).with_context(what)
            }
            other => other.with_context(what),
        }
    }
}

/// The pair that is served now.
#[derive(Debug)]
struct Current(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// Accepts TLS connections with what the files hold, now and, until `stop`, whenever they change. A pair that cannot be used is logged,
/// and the one before it is served on; at the start it is an error.
pub(crate) async fn accept(files: Files, stop: CancellationToken) -> Result<TlsAcceptor> {
    let provider = Arc::new(ring::default_provider());
    let content = files.read().await?;
    let current = Arc::new(Current(ArcSwap::from_pointee(files.pair(&content, &provider)?)));
    let mut config = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&TLS13, &TLS12])
        .context("TLS cannot be set up")?
        .with_no_client_auth()
        .with_cert_resolver(current.clone());
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    tokio::spawn(async move { stop.run_until_cancelled(follow(files, content, current, provider)).await });
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn follow(files: Files, mut seen: Content, current: Arc<Current>, provider: Arc<CryptoProvider>) {
    let mut unreadable = false;
    loop {
        tokio::time::sleep(LOOK).await;
        let content = match files.read().await {
            Ok(content) => content,
            Err(error) => {
                if !std::mem::replace(&mut unreadable, true) {
                    tracing::warn!("{error:#}: the certificate before is served on");
                }
                continue;
            }
        };
        unreadable = false;
        if content == seen {
            continue;
        }
        match files.pair(&content, &provider) {
            Ok(pair) => {
                current.0.store(Arc::new(pair));
                tracing::info!(certificate = %files.certificate.display(), "a new certificate is served");
            }
            // One of the two may have been written before the other: the next look sees.
            Err(error) => tracing::warn!("{error:#}: the certificate before is served on"),
        }
        seen = content;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Written {
        folder: tempfile::TempDir,
        files: Files,
    }

    impl Written {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let [certificate, key] = ["tls.crt", "tls.key"].map(|name| folder.path().join(name));
            Self { folder, files: Files { certificate, key } }
        }

        /// Writes a new pair and returns its certificate.
        fn pair(&self) -> Vec<u8> {
            let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
            std::fs::write(&self.files.certificate, made.cert.pem()).unwrap();
            std::fs::write(&self.files.key, made.signing_key.serialize_pem()).unwrap();
            made.cert.der().to_vec()
        }

        async fn use_it(&self) -> Result<CertifiedKey> {
            self.files.pair(&self.files.read().await?, &ring::default_provider())
        }
    }

    #[tokio::test]
    async fn what_cannot_be_used_is_named() {
        let written = Written::new();
        let said = |result: Result<CertifiedKey>| format!("{:#}", result.unwrap_err());
        assert!(said(written.use_it().await).contains("--tls-cert"), "nothing is there yet");
        let certificate = written.pair();
        assert_eq!(&*written.use_it().await.unwrap().cert[0], &*certificate);
        let other = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        std::fs::write(&written.files.key, other.signing_key.serialize_pem()).unwrap();
        assert!(said(written.use_it().await).contains("not that of the certificate"));
        std::fs::write(&written.files.key, "nonsense").unwrap();
        assert!(said(written.use_it().await).contains("--tls-key"));
        std::fs::write(&written.files.certificate, "nonsense").unwrap();
        assert!(said(written.use_it().await).contains("holds no certificate"));
        drop(written.folder);
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_pair_is_taken_and_a_broken_one_is_not() {
        let written = Written::new();
        let first = written.pair();
        let provider = Arc::new(ring::default_provider());
        let content = written.files.read().await.unwrap();
        let pair = written.files.pair(&content, &provider).unwrap();
        let current = Arc::new(Current(ArcSwap::from_pointee(pair)));
        tokio::spawn(follow(written.files.clone(), content, current.clone(), provider));
        let served = || current.0.load().cert[0].to_vec();
        assert_eq!(served(), first);
        std::fs::write(&written.files.key, "half of a k").unwrap();
        tokio::time::sleep(3 * LOOK).await;
        std::fs::remove_file(&written.files.certificate).unwrap();
        tokio::time::sleep(3 * LOOK).await;
        assert_eq!(served(), first);
        let second = written.pair();
        while served() == first {
            tokio::time::sleep(LOOK).await;
        }
        assert_eq!(served(), second);
    }
}
