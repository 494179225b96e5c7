//! Tokens: each request carries its own, good for one method and path and five minutes (api.md 4).
use anyhow::{Context, Result};
use jsonwebtoken::{EncodingKey, Header};
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::{
    fmt::Write,
    time::{SystemTime, UNIX_EPOCH},
};

const LIFETIME: u64 = 300;

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    iat: u64,
    exp: u64,
    qsh: String,
}

/// The value of the `Authorization` header for one request.
pub(super) fn bearer(
    user: &str,
    secret: &SecretString,
    method: &str,
    path: &str,
) -> Result<String> {
    let iat =
        SystemTime::now().duration_since(UNIX_EPOCH).context("this clock is wrong")?.as_secs();
    let claims = Claims { iss: user, iat, exp: iat + LIFETIME, qsh: path_hash(method, path) };
    let key = EncodingKey::from_secret(secret.expose_secret().as_bytes());
    let token = jsonwebtoken::encode(&Header::default(), &claims, &key).context("cannot sign")?;
    Ok(format!("bearer {token}"))
}

/// Ties a token to one request; the path is hashed as the server sees it, decoded.
fn path_hash(method: &str, path: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(method);
    hash.update(b"&");
    hash.update(percent_decode_str(path).collect::<Vec<u8>>());
    hash.finalize().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_covers_method_and_decoded_path() {
        // printf 'GET&/volumes' | sha256sum
        let known = "c162acc9024272120bacfff7709c932cc252337d0a30fa15b025010066662bea";
        assert_eq!(path_hash("GET", "/volumes"), known);
        assert_ne!(path_hash("POST", "/volumes"), known);
        assert_eq!(path_hash("GET", "/a%20b"), path_hash("GET", "/a b"));
    }
}
