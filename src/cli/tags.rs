//! Tags of nodes and devices: the same commands for both.
use super::{
    Session,
    args::{Flag, checked_id},
    state::Kind,
};
use crate::{api::node::TagsChangeRequest, domain::Tags};
use anyhow::{Context, Result, bail};
use clap::Args;
use reqwest::Method;
use std::fmt::Write;

#[derive(Args)]
pub(super) struct SetTags {
    /// The id, then the tags
    #[arg(value_name = "ID TAG:VALUE")]
    words: Vec<String>,
    /// Remove all other tags
    #[arg(short, long, switch(false))]
    exact: bool,
}

#[derive(Args)]
pub(super) struct RemoveTags {
    /// The id, then the names of the tags
    #[arg(value_name = "ID TAG")]
    words: Vec<String>,
    /// Remove all tags
    #[arg(long, switch(false))]
    all: bool,
}

pub(super) async fn set(session: &Session<'_>, kind: Kind, wanted: &SetTags) -> Result<()> {
    let Some((id, pairs)) = wanted.words.split_first() else { bail!("id required") };
    if pairs.is_empty() {
        bail!("at least one tag:value pair expected");
    }
    let tags = pairs.iter().map(|pair| split(pair)).collect::<Result<Tags>>()?;
    change(session, kind, id, if wanted.exact { "set" } else { "update" }, tags).await
}

pub(super) async fn remove(session: &Session<'_>, kind: Kind, wanted: &RemoveTags) -> Result<()> {
    let Some((id, names)) = wanted.words.split_first() else { bail!("id required") };
    if names.is_empty() && !wanted.all {
        bail!("at least one tag expected");
    }
    if !names.is_empty() && wanted.all {
        bail!("--all may not be combined with named tags");
    }
    // To remove all is to set none; the values of tags to delete do not matter.
    let tags = names.iter().map(|name| (name.clone(), String::new())).collect();
    change(session, kind, id, if wanted.all { "set" } else { "delete" }, tags).await
}

async fn change(
    session: &Session<'_>,
    kind: Kind,
    id: &str,
    change_type: &str,
    tags: Tags,
) -> Result<()> {
    let path = format!("{}/tags", kind.path(checked_id(id, "id required")?));
    let body = TagsChangeRequest { change_type: change_type.to_owned(), tags };
    session.client.run(Method::POST, &path, Some(&body), "").await?;
    Ok(())
}

fn split(pair: &str) -> Result<(String, String)> {
    let (name, value) = pair
        .split_once(':')
        .with_context(|| format!("expected colon (:) between tag name and value, got: {pair}"))?;
    Ok((name.to_owned(), value.to_owned()))
}

/// The lines that show tags in the blocks of nodes and devices; none without tags.
pub(super) fn render(tags: &Tags) -> String {
    let mut text = String::new();
    if !tags.is_empty() {
        text.push_str("Tags:\n");
    }
    for (name, value) in tags {
        let _ = writeln!(text, "  {name}: {value}");
    }
    text
}
