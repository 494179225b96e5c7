//! The secrets that tokens are signed with (api.md 4.1).
use secrecy::SecretString;

/// How far the clock of a client may be ahead, seconds.
pub const IAT_LEEWAY: i64 = 120;

/// The secrets of the two issuers.
#[derive(Clone, Debug)]
pub struct Keys {
    /// May do everything.
    pub admin: SecretString,
    /// May list and create volumes.
    pub user: SecretString,
    /// How far the clock of a client may be ahead, seconds.
    pub iat_leeway: i64,
}
