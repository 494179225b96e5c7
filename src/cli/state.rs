//! States of nodes and devices: set, and shown as people know them.
use super::Session;
use crate::{api::node::StateRequest, domain::State};
use anyhow::Result;
use reqwest::Method;

/// What has a state and tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Node,
    Device,
}

impl Kind {
    /// The word in messages.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Node => "Node",
            Self::Device => "Device",
        }
    }
    /// Where the server keeps this one.
    pub(super) fn path(self, id: &str) -> String {
        match self {
            Self::Node => format!("/nodes/{id}"),
            Self::Device => format!("/devices/{id}"),
        }
    }
    /// The error when a command lacks its id.
    pub(super) fn id_missing(self) -> &'static str {
        match self {
            Self::Node => "Node id missing",
            Self::Device => "Device id missing",
        }
    }
}

/// Whether bricks may move although data waits to be healed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HealCheck {
    Default,
    Off,
}

/// Time to think again before bricks move without the safety of a heal check.
pub(super) async fn warn_of_missing_heal_check(session: &Session<'_>) -> Result<()> {
    session.console.print(
        "WARNING: bricks will move even where their data is not healed; data can be lost.\n\
         Starting in 10 seconds, press Ctrl-C to give up.\n",
    )?;
    session.clock.seconds(10).await;
    Ok(())
}

/// Brings a node or device into a state and says so.
pub(super) async fn set(
    session: &Session<'_>,
    kind: Kind,
    id: &str,
    state: State,
    check: HealCheck,
) -> Result<()> {
    let healcheck = if check == HealCheck::Off { "disable" } else { "" };
    let body = StateRequest { state: state.as_str().to_owned(), healcheck: healcheck.to_owned() };
    let what = match state {
        State::Failed => "moving its bricks elsewhere",
        _ => "changing its state",
    };
    let path = format!("{}/state", kind.path(id));
    session.client.run(Method::POST, &path, Some(&body), what).await?;
    session.console.print(&format!("{} {id} is now {}\n", kind.title(), shown(state)))
}

/// The word that people know a state by.
pub(super) fn shown(state: State) -> &'static str {
    match state {
        State::Failed => "removed",
        other => other.as_str(),
    }
}
