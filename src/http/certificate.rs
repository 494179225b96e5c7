//! The server's certificate and key, read again when their files change (config.md 1.1; Heketi had
//! to be restarted for that).
//!
//! Kubernetes replaces the files of a mounted Secret by turning a link, certbot by renaming, people
//! by copying: so the contents are compared, and a pair that does not fit together, which is what
//! the moment between two copies looks like, leaves the old one in place.
use rustls::{
    InconsistentKeys, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use sha2::{Digest, Sha256};
use std::{
    io,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// So often the files are looked at.
pub const EVERY: Duration = Duration::from_secs(5);

/// Where certificate and key are, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate, followed by those that vouch for it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Why a certificate cannot be used. What stands in the key's file is never repeated.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("cannot read {file}: {why}")]
    Unreadable {
        /// Which file.
        file: PathBuf,
        /// Why.
        why: io::Error,
    },
    /// The file holds no certificate.
    #[error("no certificate in PEM form in {file} ({why})")]
    NoCertificate {
        /// Which file.
        file: PathBuf,
        /// What is there instead.
        why: String,
    },
    /// The file holds no key.
    #[error("no private key in PEM form in {file} (a key with a passphrase cannot be used)")]
    NoKey {
        /// Which file.
        file: PathBuf,
    },
    /// Both are there, and belong to others.
    #[error("the key in {key} is not the one of the certificate in {certificate}")]
    Strangers {
        /// File of the key.
        key: PathBuf,
        /// File of the certificate.
        certificate: PathBuf,
    },
    /// The cryptography has no use for them.
    #[error("cannot use the certificate in {certificate} with the key in {key}: {why}")]
    Unusable {
        /// File of the certificate.
        certificate: PathBuf,
        /// File of the key.
        key: PathBuf,
        /// Why.
        why: rustls::Error,
    },
}

/// The certificate that new connections are shown.
#[derive(Debug)]
pub struct Certificate {
    files: TlsFiles,
    provider: CryptoProvider,
    shown: RwLock<Shown>,
}

#[derive(Debug)]
struct Shown {
    key: Arc<CertifiedKey>,
    /// Of both files as they were read.
    hash: [u8; 32],
}

impl Certificate {
    /// Reads certificate and key.
    ///
    /// # Errors
    /// [`CertificateError`], with the file.
    pub fn open(files: TlsFiles) -> Result<Arc<Self>, CertificateError> {
        let provider = aws_lc_rs::default_provider();
        let shown = RwLock::new(read(&files, &provider)?);
        Ok(Arc::new(Self { files, provider, shown }))
    }

    /// SHA-256 of the certificate, as `openssl x509 -fingerprint -sha256` prints it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let key = self.current();
        let hash = key.cert.first().map(|leaf| Sha256::digest(leaf.as_ref()));
        let bytes = hash.iter().flatten().map(|byte| format!("{byte:02X}"));
        bytes.collect::<Vec<_>>().join(":")
    }

    /// How connections are accepted: with this certificate, whichever it is then. HTTP/1.1 only,
    /// and no certificates of clients.
    ///
    /// # Errors
    /// The cryptography offers no version of TLS, which is a defect.
    pub fn server(self: &Arc<Self>) -> Result<Arc<ServerConfig>, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(self.provider.clone()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// Reads the files again; whether there is a new certificate. Open connections keep the old.
    ///
    /// # Errors
    /// [`CertificateError`]; the old certificate stays in use.
    pub fn renew(&self) -> Result<bool, CertificateError> {
        let fresh = read(&self.files, &self.provider)?;
        let mut shown = self.shown.write().unwrap_or_else(PoisonError::into_inner);
        let changed = shown.hash != fresh.hash;
        if changed {
            *shown = fresh;
        }
        Ok(changed)
    }

    /// Renews the certificate whenever its files have changed, looking `every` so often and when
    /// `asked`. Returns when `ending` is cancelled.
    pub async fn watch(
        self: Arc<Self>,
        every: Duration,
        asked: Arc<Notify>,
        ending: CancellationToken,
    ) {
        // The same trouble is told once, and not every few seconds.
        let mut told = None;
        loop {
            tokio::select! {
                () = ending.cancelled() => return,
                () = tokio::time::sleep(every) => {}
                () = asked.notified() => told = None,
            }
            let this = self.clone();
            // The files may lie on a network file system that hangs.
            let renewed = tokio::task::spawn_blocking(move || this.renew()).await;
            match renewed {
                Ok(Ok(false)) => told = None,
                Ok(Ok(true)) => {
                    told = None;
                    let (file, sha256) = (self.files.certificate.display(), self.fingerprint());
                    tracing::info!(%file, sha256, "new connections get the new certificate");
                }
                Ok(Err(error)) => {
                    let text = error.to_string();
                    if told.as_ref() != Some(&text) {
                        tracing::error!(error = text, "the certificate before it stays in use");
                        told = Some(text);
                    }
                }
                Err(error) => tracing::error!(%error, "the certificate could not be looked at"),
            }
        }
    }

    fn current(&self) -> Arc<CertifiedKey> {
        self.shown.read().unwrap_or_else(PoisonError::into_inner).key.clone()
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

fn read(files: &TlsFiles, provider: &CryptoProvider) -> Result<Shown, CertificateError> {
    let TlsFiles { certificate, key } = files;
    let contents = |file: &PathBuf| {
        std::fs::read(file).map_err(|why| CertificateError::Unreadable { file: file.clone(), why })
    };
    let (chain_pem, key_pem) = (contents(certificate)?, contents(key)?);
    let hash = Sha256::new()
        .chain_update(Sha256::digest(&chain_pem))
        .chain_update(Sha256::digest(&key_pem))
        .finalize()
        .into();
    let none = |why: pem::Error| CertificateError::NoCertificate {
        file: certificate.clone(),
        why: why.to_string(),
    };
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(&chain_pem).collect::<Result<_, _>>().map_err(none)?;
    if chain.is_empty() {
        return Err(none(pem::Error::NoItemsFound));
    }
    let private = PrivateKeyDer::from_pem_slice(&key_pem)
        .map_err(|_| CertificateError::NoKey { file: key.clone() })?;
    let key = CertifiedKey::from_der(chain, private, provider).map_err(|why| {
        let (certificate, key) = (certificate.clone(), key.clone());
        match why {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                CertificateError::Strangers { key, certificate }
            }
            why => CertificateError::Unusable { certificate, key, why },
        }
    })?;
    Ok(Shown { key: Arc::new(key), hash })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, path::Path};
    use tempfile::TempDir;

    /// A certificate for localhost that signs itself, with its key, in PEM.
    fn pair() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }
    fn put(folder: &Path, (certificate, key): &(String, String)) -> TlsFiles {
        let files = TlsFiles { certificate: folder.join("tls.crt"), key: folder.join("tls.key") };
        fs::write(&files.certificate, certificate).unwrap();
        fs::write(&files.key, key).unwrap();
        files
    }
    fn folder() -> TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn what_is_wrong_is_said_with_the_file_and_never_with_the_key() {
        let (folder, good, other) = (folder(), pair(), pair());
        let files = put(folder.path(), &good);
        let refused = |contents: (&str, &str)| {
            put(folder.path(), &(contents.0.to_owned(), contents.1.to_owned()));
            let text = Certificate::open(files.clone()).unwrap_err().to_string();
            for line in good.1.lines().chain(other.1.lines()).filter(|l| !l.starts_with('-')) {
                assert!(!text.contains(line), "{text}");
            }
            text
        };
        let broken = good.1.replace("MI", "!!");
        for (contents, words) in [
            (("", good.1.as_str()), "no certificate in PEM form in "),
            ((good.1.as_str(), good.1.as_str()), "no certificate in PEM form in "),
            ((good.0.as_str(), ""), "no private key in PEM form in "),
            ((good.0.as_str(), good.0.as_str()), "no private key in PEM form in "),
            ((good.0.as_str(), broken.as_str()), "no private key in PEM form in "),
            ((good.0.as_str(), other.1.as_str()), "is not the one of the certificate in "),
        ] {
            let text = refused(contents);
            assert!(text.contains(words), "{text}");
            assert!(text.contains("tls.key") || text.contains("tls.crt"), "{text}");
        }
        fs::remove_file(&files.certificate).unwrap();
        let text = Certificate::open(files).unwrap_err().to_string();
        assert!(text.contains("cannot read") && text.contains("tls.crt: No such file"), "{text}");
    }

    #[test]
    fn only_what_changed_is_new_and_what_is_broken_changes_nothing() {
        let (folder, first, second) = (folder(), pair(), pair());
        let certificate = Certificate::open(put(folder.path(), &first)).unwrap();
        let before = certificate.fingerprint();
        assert_eq!((before.len(), before.matches(':').count()), (95, 31), "{before}");
        assert!(!certificate.renew().unwrap());
        // The certificate is there, its key is still to come.
        fs::write(folder.path().join("tls.crt"), &second.0).unwrap();
        assert!(matches!(certificate.renew(), Err(CertificateError::Strangers { .. })));
        assert_eq!(certificate.fingerprint(), before);
        fs::write(folder.path().join("tls.key"), &second.1).unwrap();
        assert!(certificate.renew().unwrap());
        assert_ne!(certificate.fingerprint(), before);
        assert!(!certificate.renew().unwrap());
    }

    /// As Kubernetes does it: the files are links through a link that is turned.
    #[tokio::test]
    async fn a_link_that_is_turned_is_noticed() {
        use std::os::unix::fs::symlink;
        let folder = folder();
        for name in ["one", "two"] {
            fs::create_dir(folder.path().join(name)).unwrap();
            put(&folder.path().join(name), &pair());
        }
        symlink("one", folder.path().join("data")).unwrap();
        for name in ["tls.crt", "tls.key"] {
            symlink(format!("data/{name}"), folder.path().join(name)).unwrap();
        }
        let files = TlsFiles {
            certificate: folder.path().join("tls.crt"),
            key: folder.path().join("tls.key"),
        };
        let certificate = Certificate::open(files).unwrap();
        let before = certificate.fingerprint();
        let ending = CancellationToken::new();
        let soon = Duration::from_millis(5);
        let watching =
            tokio::spawn(certificate.clone().watch(soon, Arc::default(), ending.clone()));
        symlink("two", folder.path().join("fresh")).unwrap();
        fs::rename(folder.path().join("fresh"), folder.path().join("data")).unwrap();
        let noticed = async {
            while certificate.fingerprint() == before {
                tokio::time::sleep(soon).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), noticed).await.expect("nobody noticed");
        ending.cancel();
        watching.await.unwrap();
    }
}
