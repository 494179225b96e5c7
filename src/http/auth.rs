//! Tokens: who asks, and may they (api.md 4). The texts and the order of the checks are Heketi's.
use super::{answer, path::decoded};
use crate::{
    app::{App, Keys},
    error::Error,
    lenient,
};
use axum::{
    extract::{Request, State},
    http::{Method, header},
    middleware::Next,
    response::Response,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use secrecy::ExposeSecret;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::fmt::Write;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Admin,
    User,
}

pub(super) async fn check(State(app): State<App>, request: Request, next: Next) -> Response {
    let Some(keys) = &app.keys else { return next.run(request).await };
    let header = match request.headers().get(header::AUTHORIZATION).map(|value| value.to_str()) {
        None => "",
        Some(text) => text.unwrap_or("?"),
    };
    let path = decoded(request.uri().path());
    match verify(keys, header, request.method(), &path, crate::store::now()) {
        Ok(Role::Admin) => next.run(request).await,
        Ok(Role::User) if path == "/volumes" => next.run(request).await,
        Ok(Role::User) => {
            answer::error(&Error::Unauthorized("Administrator access required".into()))
        }
        Err(error) => {
            tracing::info!(%error, path, "request refused");
            answer::error(&error)
        }
    }
}

/// What a token says. Absent and empty are the same; numbers must be integers.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Claims {
    iss: String,
    exp: i64,
    iat: i64,
    nbf: i64,
    qsh: String,
    /// Only looked at for their types.
    aud: String,
    jti: String,
    sub: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Header {
    alg: String,
}

fn verify(keys: &Keys, header: &str, method: &Method, path: &str, now: i64) -> Result<Role, Error> {
    let token = bearer(header)?;
    let (claims, role) = authentic(keys, token)?;
    let invalid = |why: String| Err(Error::Unauthorized(format!("Invalid JWT token: {why}")));
    if claims.nbf > now {
        return invalid("token is not valid yet".into());
    }
    if claims.iat > now.saturating_add(keys.iat_leeway) {
        let text = "Token used before issued (client and server clocks may differ)";
        return invalid(text.into());
    }
    if now > claims.exp {
        return invalid(format!(
            "Token is expired by {}",
            duration(now.saturating_sub(claims.exp))
        ));
    }
    if claims.qsh != request_hash(method, path) {
        return Err(Error::Unauthorized("Invalid qsh claim in token".into()));
    }
    Ok(role)
}

fn bearer(header: &str) -> Result<&str, Error> {
    if header.is_empty() {
        return Err(Error::Unauthorized("Required authorization token not found".into()));
    }
    let mut words = header.split_whitespace();
    match (words.next(), words.next(), words.next()) {
        (Some(scheme), Some(token), None) if scheme.eq_ignore_ascii_case("bearer") => Ok(token),
        _ => {
            let text = "Authorization header format must be Bearer {token}";
            Err(Error::Invalid(text.into()))
        }
    }
}

/// The claims, once the signature is known to be right.
fn authentic(keys: &Keys, token: &str) -> Result<(Claims, Role), Error> {
    let invalid = |why: &str| Error::Unauthorized(format!("Invalid JWT token: {why}"));
    let parts: Vec<&str> = token.split('.').collect();
    let [head, body, signature] = parts.as_slice() else {
        return Err(invalid("token contains an invalid number of segments"));
    };
    let head: Header = part(head).map_err(|e| invalid(&e))?;
    let claims: Claims = part(body).map_err(|e| invalid(&e))?;
    let algorithm = algorithm(&head.alg).map_err(|e| invalid(&e))?;
    let (role, key) = match claims.iss.as_str() {
        "admin" => (Role::Admin, &keys.admin),
        "user" => (Role::User, &keys.user),
        "" => return Err(invalid("Token missing iss claim")),
        _ => return Err(invalid("Unknown user")),
    };
    let signed = token.len() - signature.len() - 1;
    let key = DecodingKey::from_secret(key.expose_secret().as_bytes());
    // The library compares in constant time.
    let right = crypto::verify(signature, &token.as_bytes()[..signed], &key, algorithm);
    if !right.unwrap_or(false) {
        return Err(invalid("signature is invalid (client and server secrets may not match)"));
    }
    Ok((claims, role))
}

fn part<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map_err(|e| e.to_string())?;
    lenient::from_slice(&bytes).map_err(|e| e.to_string())
}

/// Any HMAC; what else may be asked for is told apart from what nobody knows.
fn algorithm(name: &str) -> Result<Algorithm, String> {
    const OTHERS: [&str; 11] = [
        "none", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512",
        "EdDSA",
    ];
    match name {
        "HS256" => Ok(Algorithm::HS256),
        "HS384" => Ok(Algorithm::HS384),
        "HS512" => Ok(Algorithm::HS512),
        "" => Err("signing method (alg) is unspecified.".into()),
        other if OTHERS.contains(&other) => Err(format!("Unexpected signing method: {other}")),
        _ => Err("signing method (alg) is unavailable.".into()),
    }
}

/// Lower-case hex SHA-256 of `METHOD&PATH`.
fn request_hash(method: &Method, path: &str) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(format!("{method}&{path}")) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Seconds as Go prints a duration.
fn duration(seconds: i64) -> String {
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (h, m) {
        (0, 0) => format!("{s}s"),
        (0, _) => format!("{m}m{s}s"),
        _ => format!("{h}h{m}m{s}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::IAT_LEEWAY;
    use jsonwebtoken::{EncodingKey, Header as JwtHeader, encode};
    use serde_json::{Value, json};

    const NOW: i64 = 1_700_000_000;

    fn keys() -> Keys {
        Keys { admin: "My Secret".into(), user: "other".into(), iat_leeway: IAT_LEEWAY }
    }
    fn good() -> Value {
        let qsh = request_hash(&Method::GET, "/volumes");
        json!({"iss": "admin", "iat": NOW, "exp": NOW + 300, "qsh": qsh})
    }
    fn signed(claims: &Value, key: &str, algorithm: Algorithm) -> String {
        let key = EncodingKey::from_secret(key.as_bytes());
        format!("bearer {}", encode(&JwtHeader::new(algorithm), claims, &key).unwrap())
    }
    fn with(change: &[(&str, Value)]) -> String {
        let mut claims = good();
        for (name, value) in change {
            claims[*name] = value.clone();
        }
        signed(&claims, "My Secret", Algorithm::HS256)
    }
    fn answer_to(header: &str) -> (u16, String) {
        match verify(&keys(), header, &Method::GET, "/volumes", NOW) {
            Ok(role) => (200, format!("{role:?}")),
            Err(error) => (error.status(), error.to_string()),
        }
    }
    fn raw(head: &str, body: &str) -> String {
        format!("Bearer {}.{}.c2ln", URL_SAFE_NO_PAD.encode(head), URL_SAFE_NO_PAD.encode(body))
    }

    #[test]
    fn good_tokens() {
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            assert_eq!(answer_to(&signed(&good(), "My Secret", algorithm)).0, 200);
        }
        let mut user = good();
        user["iss"] = "user".into();
        assert_eq!(answer_to(&signed(&user, "other", Algorithm::HS256)).1, "User");
        assert_eq!(answer_to(&with(&[("exp", NOW.into())])).0, 200, "valid at its last second");
        assert_eq!(answer_to(&with(&[("iat", (NOW + 120).into())])).0, 200);
        assert_eq!(answer_to(&with(&[("iat", Value::Null)])).0, 200, "iat is optional");
        assert_eq!(answer_to(&with(&[("nbf", NOW.into()), ("aud", "x".into())])).0, 200);
        assert_eq!(answer_to(&with(&[("jti", "x".into()), ("sub", "y".into())])).0, 200);
        assert_eq!(answer_to(&with(&[("iat", Value::from(1))])).0, 200, "however old it is");
        let far = Value::from(NOW + 100 * 365 * 86_400);
        assert_eq!(answer_to(&with(&[("exp", far)])).0, 200, "however long it lives");
        // Fields are separated by any white space, and the padding of base64 may be there.
        let good = with(&[]);
        assert_eq!(answer_to(&good.replace(' ', "\t  ")).0, 200);
    }

    /// The table of api.md 4.3, in its order.
    #[test]
    fn refusals() {
        let unauthorized = |header: String, text: &str| {
            assert_eq!(answer_to(&header), (401, text.to_owned()), "{header}");
        };
        let format = (400, "Authorization header format must be Bearer {token}".to_owned());
        for bad in ["token", "basic abc", "bearer a b", "bearer"] {
            assert_eq!(answer_to(bad), format, "{bad}");
        }
        unauthorized(String::new(), "Required authorization token not found");
        let segments = "Invalid JWT token: token contains an invalid number of segments";
        unauthorized("bearer a.b".into(), segments);
        assert!(answer_to("bearer !.!.!").1.starts_with("Invalid JWT token: "));
        let unspecified = "Invalid JWT token: signing method (alg) is unspecified.";
        unauthorized(raw("{}", "{}"), unspecified);
        let unavailable = "Invalid JWT token: signing method (alg) is unavailable.";
        unauthorized(raw(r#"{"alg":"XS1"}"#, "{}"), unavailable);
        let none = "Invalid JWT token: Unexpected signing method: none";
        unauthorized(raw(r#"{"alg":"none"}"#, "{}"), none);
        let hs = r#"{"alg":"HS256"}"#;
        unauthorized(raw(hs, "{}"), "Invalid JWT token: Token missing iss claim");
        unauthorized(raw(hs, r#"{"iss":"root"}"#), "Invalid JWT token: Unknown user");
        let signature =
            "Invalid JWT token: signature is invalid (client and server secrets may not match)";
        unauthorized(signed(&good(), "wrong", Algorithm::HS256), signature);
        let soon = ("nbf", Value::from(NOW + 1));
        unauthorized(with(&[soon]), "Invalid JWT token: token is not valid yet");
        let ahead = [("iat", Value::from(NOW + 121)), ("exp", Value::from(NOW - 1))];
        let clocks =
            "Invalid JWT token: Token used before issued (client and server clocks may differ)";
        unauthorized(with(&ahead), clocks);
        let old = |ago: i64| with(&[("exp", (NOW - ago).into())]);
        unauthorized(old(10), "Invalid JWT token: Token is expired by 10s");
        unauthorized(old(65), "Invalid JWT token: Token is expired by 1m5s");
        let never = "Invalid JWT token: Token is expired by 472222h13m20s";
        unauthorized(with(&[("exp", Value::Null)]), never);
        let qsh = "Invalid qsh claim in token";
        unauthorized(with(&[("qsh", Value::Null)]), qsh);
        let upper = request_hash(&Method::GET, "/volumes").to_uppercase();
        unauthorized(with(&[("qsh", upper.into())]), qsh);
        let elsewhere = request_hash(&Method::GET, "/volumes/");
        unauthorized(with(&[("qsh", elsewhere.into())]), qsh);
        for (claim, bad) in [
            ("exp", json!(1.5)),
            ("exp", json!("1700000300")),
            ("exp", json!(1e19)),
            ("iat", json!("1")),
            ("nbf", json!(0.5)),
            ("iss", json!(1)),
            ("qsh", json!(["x"])),
            ("aud", json!([])),
            ("jti", json!(7)),
            ("sub", json!({})),
        ] {
            let (status, text) = answer_to(&with(&[(claim, bad)]));
            assert!(status == 401 && text.starts_with("Invalid JWT token: "), "{claim}: {text}");
        }
    }

    /// Each check wins over all that come after it (api.md 4.3).
    #[test]
    fn the_order_of_the_checks() {
        let all_wrong = [
            ("nbf", Value::from(NOW + 1)),
            ("iat", Value::from(NOW + 1000)),
            ("exp", Value::from(NOW - 10)),
            ("qsh", "x".into()),
        ];
        let refused = |header: String, text: &str| {
            assert_eq!(answer_to(&header).1, format!("Invalid JWT token: {text}"));
        };
        let mut claims = good();
        for (name, value) in &all_wrong {
            claims[*name] = value.clone();
        }
        let signature = "signature is invalid (client and server secrets may not match)";
        refused(signed(&claims, "wrong", Algorithm::HS256), signature);
        // The key is the one of the issuer: one cannot stand for the other.
        refused(signed(&good(), "other", Algorithm::HS256), signature);
        refused(with(&all_wrong), "token is not valid yet");
        let clocks = "Token used before issued (client and server clocks may differ)";
        refused(with(&all_wrong[1..]), clocks);
        refused(with(&all_wrong[2..]), "Token is expired by 10s");
        assert_eq!(answer_to(&with(&all_wrong[3..])).1, "Invalid qsh claim in token");
        claims["iss"] = "root".into();
        refused(signed(&claims, "wrong", Algorithm::HS256), "Unknown user");
        let head = raw(r#"{"alg":"none"}"#, r#"{"iss":"root"}"#);
        refused(head, "Unexpected signing method: none");
    }

    /// What was signed with one algorithm does not pass for another, nor does a changed payload.
    #[test]
    fn signatures_cover_everything() {
        let good = with(&[]);
        let (head, rest) = good.split_once('.').unwrap();
        let (body, signature) = rest.split_once('.').unwrap();
        let longer = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS512","typ":"JWT"}"#);
        let mut claims = good_with_exp(NOW + 301);
        claims = URL_SAFE_NO_PAD.encode(claims);
        for forged in [
            format!("bearer {longer}.{body}.{signature}"),
            format!("{head}.{claims}.{signature}"),
            format!("{head}.{body}."),
            format!("{head}.{body}.{}", &signature[..signature.len() - 1]),
            format!("{head}.{body}.{signature}A"),
            format!("{head}.{body}.!{signature}"),
        ] {
            let (status, text) = answer_to(&forged);
            assert!(status == 401 && text.contains("signature is invalid"), "{forged}: {text}");
        }
    }
    fn good_with_exp(exp: i64) -> String {
        let mut claims = good();
        claims["exp"] = exp.into();
        claims.to_string()
    }

    #[test]
    fn keys_are_never_printed() {
        assert!(!format!("{:?}", keys()).contains("My Secret"));
    }
}
