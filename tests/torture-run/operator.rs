//! The one person who changes devices and nodes: what the server says of them must be what it told.
use crate::{
    dice::Dice,
    ledger::{Ask, End},
    run::{Followed, Run},
    topology::text,
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use tokio_util::sync::CancellationToken;

/// Names of the disks that come and go.
const SPARE: [&str; 2] = ["/dev/spare0", "/dev/spare1"];

pub struct Operator {
    run: Arc<Run>,
    dice: Dice,
    /// Whose last order was not answered: left alone until all is at rest.
    unsure: BTreeSet<String>,
    /// What each node and device must show.
    told: BTreeMap<String, String>,
}

/// How an order ended, if that is known.
enum Known {
    Done,
    Failed,
    Unsure,
}

impl Operator {
    pub fn new(run: Arc<Run>, seed: u64) -> Self {
        let dice = Dice::new(seed, "operator");
        Self { run, dice, unsure: BTreeSet::new(), told: BTreeMap::new() }
    }

    pub async fn work(mut self, stop: CancellationToken) -> Self {
        while !stop.is_cancelled() {
            let nodes: Vec<String> = self.run.topology.nodes().map(|n| n.id.clone()).collect();
            let node = self.dice.pick(&nodes).clone();
            match self.dice.below(10) {
                0..=4 => self.spare(&node, &stop).await,
                5..=7 => {
                    let device = self.dice.pick(&self.run.topology.devices()).clone();
                    self.toggle("devices", &device, &stop).await;
                }
                _ => self.toggle("nodes", &node, &stop).await,
            }
            tokio::time::sleep(self.dice.millis(5, 300)).await;
        }
        self
    }

    /// All is at rest: whatever was unsure can be seen now.
    pub async fn look_again(&mut self) {
        for (path, told) in std::mem::take(&mut self.told) {
            if !self.unsure.contains(&path) {
                self.must_show(&path, &told).await;
            }
        }
        self.unsure.clear();
    }

    /// Sends an order about something and follows it to its very end.
    async fn order(
        &mut self,
        kind: &'static str,
        (method, path): (&str, &str),
        body: Option<&Value>,
        stop: &CancellationToken,
    ) -> Known {
        let Some(order) = self.run.order(Ask::Other(kind), (method, path), body, None).await else {
            // Refused, or not answered: the caller looks or leaves it alone.
            return Known::Unsure;
        };
        loop {
            match self.run.follow(order, kind, stop).await {
                Followed::End(End::Done(_)) => return Known::Done,
                Followed::End(End::Failed(_)) => return Known::Failed,
                Followed::Again => tokio::time::sleep(self.dice.millis(50, 500)).await,
                Followed::Left => return Known::Unsure,
            }
        }
    }

    async fn shown(&self, path: &str) -> Option<Value> {
        match self.run.client.must_get(path).await {
            Ok(answer) if answer.status == 200 => answer.json(),
            Ok(answer) if answer.status == 404 => None,
            other => {
                self.run.report.finding(format!("GET {path}: {other:?}"));
                None
            }
        }
    }
    async fn must_show(&self, path: &str, state: &str) {
        let shown = self.shown(path).await.map_or("gone".into(), |object| text(&object, "state"));
        if shown != state {
            self.run.report.finding(format!("{path} is {shown}; the server had said {state}"));
        }
    }

    /// To the other state, of online and offline.
    async fn toggle(&mut self, kind: &str, id: &str, stop: &CancellationToken) {
        let path = format!("/{kind}/{id}");
        if self.unsure.contains(&path) {
            return;
        }
        let Some(object) = self.shown(&path).await else { return };
        let to = if text(&object, "state") == "online" { "offline" } else { "online" };
        self.set_state(&path, to, stop).await;
    }
    async fn set_state(&mut self, path: &str, to: &str, stop: &CancellationToken) -> bool {
        let before = self.shown(path).await.map_or("gone".into(), |object| text(&object, "state"));
        let kind = if path.starts_with("/nodes") { "set node state" } else { "set device state" };
        let body = json!({"state": to});
        let known = self.order(kind, ("POST", &format!("{path}/state")), Some(&body), stop).await;
        match known {
            Known::Unsure => {
                self.unsure.insert(path.to_owned());
                return false;
            }
            Known::Done => self.expect(path, to).await,
            Known::Failed => self.expect(path, &before).await,
        }
        matches!(known, Known::Done)
    }
    async fn expect(&mut self, path: &str, state: &str) {
        self.must_show(path, state).await;
        self.told.insert(path.to_owned(), state.to_owned());
    }

    /// A disk comes, or goes again.
    async fn spare(&mut self, node: &str, stop: &CancellationToken) {
        let name = *self.dice.pick(&SPARE);
        let disk = format!("{node}{name}");
        if self.unsure.contains(&disk) {
            return;
        }
        match self.device(node, name).await {
            None => {
                let body = json!({"node": node, "name": name});
                let known = self.order("add device", ("POST", "/devices"), Some(&body), stop).await;
                let there = self.device(node, name).await;
                match (known, there) {
                    (Known::Unsure, _) => drop(self.unsure.insert(disk)),
                    (Known::Done, None) => {
                        self.run.report.finding(format!("{disk} was added, and is not there"));
                    }
                    (Known::Failed, Some(id)) => {
                        self.run.report.finding(format!("{disk} was not added, and is {id}"));
                    }
                    _ => {}
                }
            }
            Some(id) => self.remove(&disk, &format!("/devices/{id}"), stop).await,
        }
    }
    /// By way of offline and failed, as far as it goes: volumes may have found the disk.
    async fn remove(&mut self, disk: &str, path: &str, stop: &CancellationToken) {
        if self.unsure.contains(path) {
            return;
        }
        let Some(object) = self.shown(path).await else { return };
        if text(&object, "state") != "failed" {
            let ready = self.set_state(path, "offline", stop).await
                && self.set_state(path, "failed", stop).await;
            if !ready {
                return;
            }
        }
        match self.order("delete device", ("DELETE", path), None, stop).await {
            Known::Unsure => {
                self.unsure.insert(disk.to_owned());
                self.unsure.insert(path.to_owned());
            }
            Known::Done => self.expect(path, "gone").await,
            Known::Failed => self.expect(path, "failed").await,
        }
    }
    /// The id of the device of this name.
    async fn device(&self, node: &str, name: &str) -> Option<String> {
        let object = self.shown(&format!("/nodes/{node}")).await?;
        let device = object["devices"].as_array()?.iter().find(|d| d["name"] == name)?;
        Some(text(device, "id"))
    }
}
