//! `check` and `repair`: what does not agree with the nodes, and what a person wants done about it.
use super::Session;
use crate::{
    api::{
        json,
        reality::{
            CheckReport, PersistentVolumesReport, Plan, PlannedRepair, RepairRequest, VolumeWithout,
        },
    },
    lenient,
};
use anyhow::{Context, Result, bail};
use clap::Args;
use reqwest::Method;
use std::{fmt::Write as _, fs::OpenOptions, io::Write as _, path::PathBuf};

#[derive(Args)]
pub(super) struct Check {
    /// Write what can be repaired to a new file, of which nothing is confirmed yet
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct Repair {
    /// What `check --plan` wrote
    plan: PathBuf,
    /// Take for confirmed all that destroys no data
    #[arg(long, conflicts_with = "only")]
    yes: bool,
    /// Take this for confirmed, by its id, and nothing else (repeatable)
    #[arg(long, value_name = "ID")]
    only: Vec<String>,
}

pub(super) async fn check(command: Check, session: &Session<'_>) -> Result<()> {
    let report: CheckReport = session.client.get("/internal/state/check").await?;
    if let Some(file) = &command.plan {
        let shown = file.display().to_string();
        let text = json::indented(&Plan::of(&report))? + "\n";
        // A plan that somebody has worked on is not lost to another.
        let mut open = OpenOptions::new();
        let mut file = open.write(true).create_new(true).open(file).context(shown.clone())?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).context(shown)?;
    }
    session.show(&report, render)
}

/// The report for people.
pub(super) fn render(report: &CheckReport) -> String {
    let mut text = String::new();
    for difference in &report.differences {
        let _ = writeln!(text, "{}", difference.id);
        let _ = writeln!(text, "    {}", difference.text);
        if !difference.advice.is_empty() {
            let _ = writeln!(text, "    {}", difference.advice);
        }
        if let Some(repair) = &difference.repair {
            let _ = writeln!(text, "    proposed: {}", repair.proposal());
        }
    }
    for unknown in &report.unknown {
        let (place, what, why) = (&unknown.place, &unknown.what, &unknown.why);
        let _ = writeln!(text, "not known: {place}: {what}: {why}");
    }
    if let Some(found) = &report.persistent_volumes {
        text += &persistent_volumes(found);
    }
    let can = report.differences.iter().filter(|found| found.repair.is_some()).count();
    let _ = writeln!(
        text,
        "{} node(s) asked: {} difference(s), {can} of which can be repaired; {} thing(s) not known; \
         {} under way and not judged",
        report.nodes,
        report.differences.len(),
        report.unknown.len(),
        report.under_way
    );
    text
}

/// What is no difference: a person decides whether it is right.
fn persistent_volumes(found: &PersistentVolumesReport) -> String {
    let mut text = String::new();
    for VolumeWithout { id, name, size, cluster } in &found.volumes_without {
        let size = size.0;
        let _ = writeln!(
            text,
            "no PersistentVolume names volume {name} ({id}), {size} GiB, of cluster {cluster}"
        );
    }
    for name in &found.elsewhere {
        let _ = writeln!(text, "not of this server: PersistentVolume {name}");
    }
    let _ = writeln!(
        text,
        "{} PersistentVolume(s) compared, {} of which are not of this server; {} volume(s) that none \
         names; {} under way and not judged",
        found.compared,
        found.elsewhere.len(),
        found.volumes_without.len(),
        found.under_way
    );
    text
}

pub(super) async fn repair(command: Repair, session: &Session<'_>) -> Result<()> {
    let shown = command.plan.display().to_string();
    let text = std::fs::read(&command.plan).with_context(|| shown.clone())?;
    let plan: Plan =
        lenient::from_slice(&text).map_err(anyhow::Error::from).context(shown.clone())?;
    if plan.version != Plan::VERSION {
        bail!("{shown}: a plan of version {}, known is {}", plan.version, Plan::VERSION);
    }
    for id in &command.only {
        if !plan.repairs.iter().any(|planned| planned.id == *id) {
            bail!("{shown}: there is no {id} in it");
        }
    }
    let wanted = |planned: &&PlannedRepair| {
        let named = command.only.contains(&planned.id);
        let all = command.yes && !planned.repair.destroys();
        if command.only.is_empty() { all || planned.confirmed } else { named }
    };
    let (confirmed, left): (Vec<_>, Vec<_>) = plan.repairs.iter().partition(wanted);
    if command.yes {
        for PlannedRepair { id, repair, .. } in left {
            let why = format!("it would {}: see --only", repair.proposal());
            session.console.print(&format!("not confirmed by --yes: {id}: {why}\n"))?;
        }
    }
    if confirmed.is_empty() {
        bail!("{shown}: nothing in it is confirmed: set \"confirmed\" to true, or see --help");
    }
    let (mut failed, mut done) = (0, vec![]);
    for PlannedRepair { id, repair, .. } in &confirmed {
        // One repair may put several things right, as with a brick that is neither mounted nor in
        // the fstab.
        if done.contains(&repair) {
            session.console.print(&format!("repaired: {id}\n"))?;
            continue;
        }
        let body = RepairRequest { id: id.clone(), repair: repair.clone() };
        let path = "/internal/state/repair";
        match session.client.run(Method::POST, path, Some(&body), "repairing").await {
            Ok(_) => {
                done.push(repair);
                session.console.print(&format!("repaired: {id}\n"))?;
            }
            Err(error) => {
                failed += 1;
                session.console.print(&format!("not repaired: {id}: {error:#}\n"))?;
            }
        }
    }
    if failed > 0 {
        bail!("{failed} of {} could not be repaired", confirmed.len());
    }
    Ok(())
}
