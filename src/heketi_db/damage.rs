//! What of a file could not be read.
use std::fmt::{self, Display};

/// One thing that could not be read, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Which bucket; empty when it is about the file.
    pub bucket: String,
    /// Which entry; empty when it is about the bucket.
    pub key: String,
    /// What is wrong.
    pub why: String,
}

impl Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in [&self.bucket, &self.key] {
            if !part.is_empty() {
                write!(f, "{part}: ")?;
            }
        }
        f.write_str(&self.why)
    }
}

/// Bytes from a file that may hold anything, so that a person can read them and a terminal does
/// nothing strange: the first 64.
pub(super) fn shown(bytes: &[u8]) -> String {
    let cut = if bytes.len() > 64 { "..." } else { "" };
    let text: String = bytes
        .iter()
        .take(64)
        .flat_map(|byte| std::ascii::escape_default(*byte))
        .map(char::from)
        .collect();
    text + cut
}
