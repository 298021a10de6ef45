//! Builds the TLS side of a connection: trust, client certificate, ALPN.

use std::sync::{Arc, LazyLock};

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};

use crate::{KubeconfigError, TlsOptions};

fn invalid(message: String) -> KubeconfigError {
    KubeconfigError::Invalid(message)
}

/// Builds the TLS configuration. `client` wins over the client certificate of `options` (a credential program may bring its own).
pub(crate) fn config(options: &TlsOptions) -> Result<Arc<ClientConfig>, KubeconfigError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|e| invalid(format!("TLS cannot be set up: {e}")))?;
    let builder = if options.insecure {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(TrustAnything(provider)))
    } else {
        builder.with_root_certificates(roots(options.ca.as_deref())?)
    };
    let mut config = match &options.client {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            let chain = certificates(chain, "client-certificate-data")?;
            let key = PrivateKeyDer::from_pem_slice(key)
                .map_err(|e| invalid(format!("client-key-data holds no PEM key: {e}")))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|e| invalid(format!("the client certificate and key do not fit: {e}")))?
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // A member holds two long connections: resuming sessions saves nothing, its store of 256 would cost memory per member.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}

fn certificates(pem: &[u8], field: &str) -> Result<Vec<CertificateDer<'static>>, KubeconfigError> {
    let all: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|e| invalid(format!("{field} is not PEM: {e}")))?;
    if all.is_empty() { Err(invalid(format!("{field} holds no certificate"))) } else { Ok(all) }
}

/// The system's roots, loaded once: a hundred certificates per member would add up.
static SYSTEM: LazyLock<Arc<RootCertStore>> = LazyLock::new(|| {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    Arc::new(store)
});

fn roots(ca: Option<&[u8]>) -> Result<Arc<RootCertStore>, KubeconfigError> {
    let Some(pem) = ca else { return Ok(SYSTEM.clone()) };
    let mut store = RootCertStore::empty();
    for certificate in certificates(pem, "certificate-authority-data")? {
        store.add(certificate).map_err(|e| invalid(format!("certificate-authority-data: {e}")))?;
    }
    Ok(Arc::new(store))
}

/// Accepts every certificate, as `insecure-skip-tls-verify` asks; signatures are still checked.
#[derive(Debug)]
struct TrustAnything(Arc<CryptoProvider>);

impl ServerCertVerifier for TrustAnything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
