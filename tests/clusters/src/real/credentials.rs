//! Certificates and tokens of a real cluster.

use std::{fs, path::Path, time::SystemTime};

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};

/// Tokens that exist from the start; `motet` and `motet2` are one user with two tokens, so that one can be swapped for the other.
/// `alice` has groups, no rights of her own, and nothing that others may give her: cases share her.
const TOKENS: &str = "admin,admin,1,system:masters\nmotet,motet,2\nmotet2,motet,2\nalice,alice,3,\"team,devs\"\n";

/// A certificate and its key, PEM.
pub struct Pair {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

/// A certificate authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate, PEM.
    pub pem: String,
}

impl Authority {
    /// A new one, by name.
    pub fn new(name: &str) -> Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec![])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        params.distinguished_name.push(DnType::CommonName, name);
        let pem = params.self_signed(&key)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), pem })
    }

    /// For a server on 127.0.0.1.
    pub fn server(&self) -> Result<Pair> {
        let mut params = CertificateParams::new(vec!["localhost".into()])?;
        params.subject_alt_names.push(SanType::IpAddress([127, 0, 0, 1].into()));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(params)
    }

    /// For a client: its user name, its group (empty for none), and when it ends.
    pub fn client(&self, user: &str, group: &str, until: SystemTime) -> Result<Pair> {
        let mut params = CertificateParams::new(vec![])?;
        params.distinguished_name.push(DnType::CommonName, user);
        if !group.is_empty() {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.not_after = until.into();
        self.sign(params)
    }

    fn sign(&self, params: CertificateParams) -> Result<Pair> {
        let key = KeyPair::generate()?;
        Ok(Pair { certificate: params.signed_by(&key, &self.issuer)?.pem(), key: key.serialize_pem() })
    }
}

/// Writes what an API server needs to start: its own certificate, the authority of clients, keys and tokens.
pub(super) fn write(folder: &Path, authority: &Authority) -> Result<()> {
    let account_key = KeyPair::generate()?;
    write_server(folder, authority)?;
    for (name, content) in [
        ("ca.crt", authority.pem.as_str()),
        ("sa.key", &account_key.serialize_pem()),
        ("sa.pub", &account_key.public_key_pem()),
        ("tokens.csv", TOKENS),
    ] {
        fs::write(folder.join(name), content)?;
    }
    Ok(())
}

/// Writes the server's own certificate.
pub(super) fn write_server(folder: &Path, authority: &Authority) -> Result<()> {
    let server = authority.server()?;
    fs::write(folder.join("server.crt"), server.certificate)?;
    Ok(fs::write(folder.join("server.key"), server.key)?)
}

/// Bytes as JSON carries them.
pub fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
