//! `brickyard health`: whether the server of this machine answers, for whoever supervises it.
//!
//! Configuration and environment are those of the server, so a container asks itself with nothing
//! to be set twice.
use crate::{
    config::{Config, ConfigError, Overrides},
    error::chain,
};
use anyhow::{Result, bail};
use clap::Args;
use reqwest::{Client, StatusCode};
use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

/// Where the server of the image finds its configuration, if there is one (config.md 6).
const USUAL: &str = "/etc/heketi/heketi.json";

/// What `health` takes.
#[derive(Args)]
pub struct Options {
    /// The server's configuration file; /etc/heketi/heketi.json if that is there.
    #[arg(long, value_name = "FILE", env = "HEKETI_CONFIG")]
    config: Option<PathBuf>,
    /// Address to ask, if the server was started with --listen.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Longest wait for an answer.
    #[arg(long, value_name = "SECONDS", default_value_t = 3)]
    timeout: u64,
}

/// Asks the server for `GET /hello`.
///
/// # Errors
/// It does not answer in time, or with something else than 200; or the configuration does not tell
/// where it listens.
pub async fn run(options: Options, variable: impl Fn(&str) -> Option<String>) -> Result<()> {
    let (port, tls) = listening(options.config, variable)?;
    let addresses = match options.listen {
        Some(address) => vec![reachable(address)],
        None => vec![(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()],
    };
    // Nothing secret is asked or told, the certificate names another host than this, and may be
    // newer on disk than in the server: whether it is right is for clients to judge.
    let client = Client::builder().tls_danger_accept_invalid_certs(true).no_proxy();
    let client = client.timeout(Duration::from_secs(options.timeout.max(1))).build()?;
    let protocol = if tls { "https" } else { "http" };
    let mut refused = vec![];
    for address in addresses {
        let url = format!("{protocol}://{address}/hello");
        match client.get(&url).send().await {
            Ok(answer) if answer.status() == StatusCode::OK => return Ok(()),
            Ok(answer) => bail!("{url} answers {}", answer.status()),
            Err(error) => refused.push(format!("{url}: {}", chain(&error.without_url()))),
        }
    }
    bail!("the server does not answer: {}", refused.join("; "))
}

/// Port, and whether TLS is spoken. A variable that names a file which is not there is what the
/// image's start script passes over.
fn listening(
    config: Option<PathBuf>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<(u16, bool), ConfigError> {
    let config = config.or_else(|| Some(USUAL.into())).filter(|file| Path::exists(file));
    Config::listening(&Overrides { config, ..Overrides::default() }, variable)
}

/// Nobody can be called at "all addresses": the loopback is one of them.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        other => other.ip(),
    };
    (ip, address.port()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_addresses_are_asked_at_the_loopback() {
        for (listen, asked) in [
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("[::]:81", "[::1]:81"),
            ("192.0.2.7:82", "192.0.2.7:82"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()), asked.parse().unwrap());
        }
    }
}
