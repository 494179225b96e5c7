//! Trust in the certificates that `--tls-cert` names, and in nothing else.
//!
//! The usual certificate of a Heketi server signs itself and calls itself an authority, for that is
//! what `openssl req -x509` makes. rustls takes no authority for a server; Go does when exactly that
//! certificate is trusted, and so must we.
use anyhow::{Context, Result, bail};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
    server::ParsedCertificate,
};
use std::{path::PathBuf, sync::Arc};

/// A TLS client that trusts just the certificates in these files.
pub(super) fn trusting(files: &[PathBuf]) -> Result<ClientConfig> {
    let trusted = read(files)?;
    let mut roots = RootCertStore::empty();
    for certificate in &trusted {
        roots.add(certificate.clone()).context("cannot use a certificate of --tls-cert")?;
    }
    let crypto = Arc::new(aws_lc_rs::default_provider());
    let usual =
        WebPkiServerVerifier::builder_with_provider(roots.into(), crypto.clone()).build()?;
    Ok(ClientConfig::builder_with_provider(crypto)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier { usual, trusted }))
        .with_no_client_auth())
}

fn read(files: &[PathBuf]) -> Result<Vec<CertificateDer<'static>>> {
    let mut all = vec![];
    for file in files {
        let name = file.display();
        let pem = std::fs::read(file).with_context(|| format!("cannot read {name}"))?;
        let before = all.len();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            all.push(certificate.with_context(|| format!("cannot read {name}"))?);
        }
        if all.len() == before {
            bail!("no certificate in PEM form in {name}");
        }
    }
    Ok(all)
}

#[derive(Debug)]
struct Verifier {
    usual: Arc<WebPkiServerVerifier>,
    trusted: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        server: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.usual.verify_server_cert(server, chain, name, ocsp, now) {
            // The dates were checked before this; the name is left to check.
            Err(e) if is_authority(&e) && self.trusted.contains(server) => {
                verify_server_name(&ParsedCertificate::try_from(server)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            judged => judged,
        }
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls12_signature(message, certificate, signature)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls13_signature(message, certificate, signature)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}

/// Whether the only complaint is that the certificate is an authority's; rustls hands its
/// verifier's error on without its type.
fn is_authority(error: &Error) -> bool {
    match error {
        Error::InvalidCertificate(CertificateError::Other(cause)) => {
            cause.0.to_string() == "CaUsedAsEndEntity"
        }
        _ => false,
    }
}
