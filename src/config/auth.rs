//! Who may use the server: keys, or an explicit word that there are none.
use super::{Auth, ConfigError, Overrides, environment::Environment, file::File};
use crate::app::{IAT_LEEWAY, Keys};
use secrecy::SecretString;

pub(super) fn auth(
    file: &File,
    env: &Environment<'_>,
    overrides: &Overrides,
) -> Result<Auth, ConfigError> {
    if overrides.disable_auth {
        return Ok(Auth::Off("--disable-auth"));
    }
    match env.text("HEKETI_DISABLE_AUTH").as_deref() {
        None | Some("false") => {}
        Some("true") => return Ok(Auth::Off("HEKETI_DISABLE_AUTH=true")),
        Some(other) => {
            let why = format!("`{other}` is neither true nor false");
            return Err(ConfigError::Value { key: "HEKETI_DISABLE_AUTH", why });
        }
    }
    if file.use_auth == Some(false) {
        return Ok(Auth::Off("\"use_auth\": false"));
    }
    let admin = env.text("HEKETI_ADMIN_KEY").unwrap_or_else(|| file.jwt.admin.key.clone());
    let user = env.text("HEKETI_USER_KEY").unwrap_or_else(|| file.jwt.user.key.clone());
    match (admin.is_empty(), user.is_empty()) {
        (true, true) => Err(ConfigError::NoKeys { missing: "admin key and no user key" }),
        (true, false) => Err(ConfigError::NoKeys { missing: "admin key" }),
        (false, true) => Err(ConfigError::NoKeys { missing: "user key" }),
        (false, false) => Ok(Auth::Keys(Keys {
            admin: SecretString::from(admin),
            user: SecretString::from(user),
            iat_leeway: env.number("HEKETI_JWT_IAT_LEEWAY_SECONDS")?.unwrap_or(IAT_LEEWAY),
        })),
    }
}
