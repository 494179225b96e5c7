//! `brick`: move single bricks.
use super::{Session, args::Flag as _, args::checked_id, state};
use crate::api::brick::BrickEvictRequest;
use anyhow::{Result, bail};
use clap::Subcommand;
use reqwest::Method;

#[derive(Subcommand)]
pub(super) enum BrickCommand {
    /// Move a brick to another device
    #[command(after_help = "The brick gets a new id: `volume info` shows it.\n\n\
        Example:\n  heketi-cli brick evict ID")]
    Evict {
        /// Which one
        id: Vec<String>,
        /// Move it even where data still waits to be healed: can lose data
        #[arg(long, switch(false))]
        expert_option_disable_heal_check: bool,
    },
}

pub(super) async fn run(command: BrickCommand, session: &Session<'_>) -> Result<()> {
    let BrickCommand::Evict { id, expert_option_disable_heal_check: unchecked } = command;
    if id.len() > 1 {
        bail!("Too many arguments provided");
    }
    let id = checked_id(id.first().map_or("", String::as_str), "Brick id missing")?;
    if unchecked {
        state::warn_of_missing_heal_check(session).await?;
    }
    let healcheck = if unchecked { "disable" } else { "" }.to_owned();
    let (path, body) = (format!("/bricks/to-evict/{id}"), BrickEvictRequest { healcheck });
    session.client.run(Method::POST, &path, Some(&body), "moving the brick").await?;
    session.console.print(&format!("Brick {id} evicted\n"))
}
