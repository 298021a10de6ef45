//! Makes each cluster's certificate authority and server certificate.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, crypto::ring};
use tokio_rustls::TlsAcceptor;

use crate::StartError;
use crate::access::certificates::Clients;

/// What a cluster needs to speak TLS, and its CA for clients.
pub(crate) struct Tls {
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) ca_pem: String,
    pub(crate) authority: Authority,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("clients", &self.clients).finish_non_exhaustive()
    }
}

/// Who signs certificates of this cluster: the server's own and its clients'.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Judges client certificates.
    pub(crate) clients: Arc<Clients>,
}

/// A client certificate with its key, both PEM. See [`Cluster::client_certificate`](crate::Cluster::client_certificate).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

impl Authority {
    /// A certificate for a user, in a group unless that is empty.
    pub(crate) fn client(&self, user: &str, group: &str) -> Result<ClientCertificate, rcgen::Error> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name = named(user);
        if !group.is_empty() {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(ClientCertificate { certificate, key: key.serialize_pem() })
    }
}

fn named(name: &str) -> DistinguishedName {
    let mut out = DistinguishedName::new();
    out.push(DnType::CommonName, name);
    out
}

/// Makes a CA for the cluster `name` and a certificate for 127.0.0.1 and localhost signed by it.
pub(crate) fn make(name: &str) -> Result<Tls, StartError> {
    let failed = |what: String| StartError::Tls { cluster: name.to_owned(), what };
    let of_rcgen = |e: rcgen::Error| failed(e.to_string());
    let ca_key = KeyPair::generate().map_err(of_rcgen)?;
    let mut ca = CertificateParams::new(Vec::new()).map_err(of_rcgen)?;
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    ca.distinguished_name = named(&format!("devcluster {name} CA"));
    let ca_cert = ca.self_signed(&ca_key).map_err(of_rcgen)?;
    let issuer = Issuer::new(ca, ca_key);
    let key = KeyPair::generate().map_err(of_rcgen)?;
    let mut params = CertificateParams::new(vec!["localhost".into(), "127.0.0.1".into()]).map_err(of_rcgen)?;
    params.distinguished_name = named("kube-apiserver");
    let cert = params.signed_by(&key, &issuer).map_err(of_rcgen)?;
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let clients = Arc::new(Clients::of(ca_cert.der().clone()).map_err(failed)?);
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| failed(e.to_string()))?
        .with_client_cert_verifier(clients.clone())
        .with_single_cert(vec![cert.der().clone()], private)
        .map_err(|e| failed(e.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let (acceptor, authority) = (TlsAcceptor::from(Arc::new(config)), Authority { issuer, clients });
    Ok(Tls { acceptor, ca_pem: ca_cert.pem(), authority })
}
