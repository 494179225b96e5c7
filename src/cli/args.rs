//! What all commands share on the command line: global flags, and flags read as Go reads them.
//!
//! Heketi's tool took `--flag`, `--flag=true` and `--flag=0` for a switch, the last of repeated
//! flags, and any number of arguments; scripts rely on the first two.
use super::Session;
use anyhow::{Result, bail};
use clap::{
    Arg, ArgAction, Args,
    builder::{IntoResettable, ValueParser},
};
use secrecy::SecretString;
use std::{path::PathBuf, str::FromStr};

/// Where a server is expected when nobody says otherwise.
pub(super) const DEFAULT_SERVER: &str = "http://localhost:8080";

/// Flags that may stand anywhere.
#[derive(Args)]
#[command(next_help_heading = "Connection and output")]
pub(super) struct Globals {
    /// Address of the server
    #[arg(short, long, global = true, env = "HEKETI_CLI_SERVER", value_name = "URL")]
    #[arg(default_value = DEFAULT_SERVER)]
    pub(super) server: String,
    /// Name to log in by: admin or user
    #[arg(long, global = true, env = "HEKETI_CLI_USER", value_name = "NAME")]
    pub(super) user: Option<String>,
    /// Key that belongs to the name; better given by the environment
    #[arg(long, global = true, env = "HEKETI_CLI_KEY", value_name = "KEY", hide_env_values = true)]
    #[arg(value_parser = secret)]
    pub(super) secret: Option<SecretString>,
    /// Print results as JSON
    #[arg(id = "json", long, global = true, switch_read_by(JsonFlag::from_str, false))]
    pub(super) json: JsonFlag,
    /// Do not verify the server's certificate
    #[arg(short = 'I', long, global = true, switch(false))]
    pub(super) insecure_tls: bool,
    /// PEM file with certificates to trust instead of the system's (repeatable)
    #[arg(short = 'C', long, global = true, value_name = "FILE", value_delimiter = ',')]
    pub(super) tls_cert: Vec<PathBuf>,
}

/// The value of `--json`, which is a switch everywhere but in `topology load`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum JsonFlag {
    /// Print JSON, or not.
    Switch(bool),
    /// Read this file.
    File(PathBuf),
}

impl FromStr for JsonFlag {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        boolean(text).map(Self::Switch)
    }
}

impl JsonFlag {
    /// A file name never fails to parse, but value parsers return results.
    #[expect(clippy::unnecessary_wraps, reason = "clap's value parsers return results")]
    pub(super) fn file(text: &str) -> Result<Self, String> {
        Ok(Self::File(text.into()))
    }
}

/// Ways to declare flags that clap has no word for.
pub(super) trait Flag: Sized {
    /// A switch that may also be written `--flag=true` or `--flag=false`.
    fn switch(self, default: bool) -> Self {
        self.switch_read_by(boolean, default)
    }
    /// The same with a parser of its own.
    fn switch_read_by(self, parser: impl IntoResettable<ValueParser>, default: bool) -> Self;
}

impl Flag for Arg {
    fn switch_read_by(self, parser: impl IntoResettable<ValueParser>, default: bool) -> Self {
        self.action(ArgAction::Set)
            .required(false)
            .num_args(0..=1)
            .require_equals(true)
            .default_value(if default { "true" } else { "false" })
            .default_missing_value("true")
            .hide_default_value(!default)
            .value_name("true|false")
            .value_parser(parser)
    }
}

/// A truth value in any of Go's spellings.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("must be true or false".to_owned()),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "clap's value parsers return results")]
fn secret(text: &str) -> Result<SecretString, String> {
    Ok(text.into())
}

/// The id a command is about.
#[derive(Args)]
pub(super) struct Target {
    /// Which one
    id: Option<String>,
    /// Heketi's tool takes any number and uses the first.
    #[arg(hide = true)]
    rest: Vec<String>,
}

impl Target {
    /// The id, or an error that says what is missing.
    pub(super) fn id(&self, session: &Session<'_>, missing: &'static str) -> Result<&str> {
        if !self.rest.is_empty() {
            session.console.note(&format!("Ignored, one at a time: {}", self.rest.join(" ")));
        }
        checked_id(self.id.as_deref().unwrap_or_default(), missing)
    }
}

/// The id when it can be part of a path: it must not lead the request to another object.
pub(super) fn checked_id<'a>(id: &'a str, missing: &'static str) -> Result<&'a str> {
    if id.is_empty() {
        bail!(missing);
    }
    if !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
        bail!("not an id: {id:?}");
    }
    Ok(id)
}
