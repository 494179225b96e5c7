//! Operations that are begun to be cut short.
use super::database::{OperationRow, VolumeRow};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What volumes are made of: the word in their names, and the durability in a request.
pub const SHAPES: [&str; 4] = ["replica2", "replica3", "arbiter", "disperse"];
/// Those with a brick on every node.
pub const WIDE: [&str; 3] = ["replica3", "arbiter", "disperse"];

/// Words of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Create,
    Expand,
    Delete,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Create, Self::Expand, Self::Delete];

    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Expand => "expand",
            Self::Delete => "delete",
        }
    }
    /// The number of its last stage.
    pub fn last_stage(self) -> i64 {
        if self == Self::Expand { 3 } else { 2 }
    }
}

/// One operation on one volume.
#[derive(Clone, Debug)]
pub struct Work {
    pub kind: Kind,
    /// Ends with its shape.
    pub name: String,
    /// Its row before, if it was there.
    pub before: Option<VolumeRow>,
}

impl Work {
    pub fn create(name: String) -> Self {
        Self { kind: Kind::Create, name, before: None }
    }
    pub fn on(kind: Kind, volume: &VolumeRow) -> Self {
        Self { kind, name: volume.name.clone(), before: Some(volume.clone()) }
    }
    fn shape(&self) -> &str {
        self.name.rsplit('-').next().unwrap()
    }
    pub fn label(&self) -> String {
        format!("{} {}", self.kind.word(), self.name)
    }
    /// Data bricks are at least 1 GiB, of which a dispersed volume has two.
    fn size(&self) -> i64 {
        if self.shape() == "disperse" { 2 } else { 1 }
    }

    pub fn request(&self) -> (Method, String, Value) {
        let id = self.before.as_ref().map_or("", |volume| &volume.id);
        match self.kind {
            Kind::Create => {
                let replica = |n: i64| json!({"type": "replicate", "replicate": {"replica": n}});
                let durability = match self.shape() {
                    "replica2" => replica(2),
                    "disperse" => {
                        json!({"type": "disperse", "disperse": {"data": 2, "redundancy": 1}})
                    }
                    _ => replica(3),
                };
                let mut body = json!({"name": self.name, "size": self.size(), "gid": 2000,
                    "durability": durability});
                if self.shape() == "arbiter" {
                    body["glustervolumeoptions"] = json!(["user.heketi.arbiter true"]);
                }
                (Method::POST, "/volumes".into(), body)
            }
            Kind::Expand => {
                let body = json!({"expand_size": self.size()});
                (Method::POST, format!("/volumes/{id}/expand"), body)
            }
            Kind::Delete => (Method::DELETE, format!("/volumes/{id}"), Value::Null),
        }
    }

    /// Whether the database says the same as the queue's answer; else what it says.
    pub fn is_true(&self, status: u16, volumes: &[VolumeRow]) -> Result<(), String> {
        let now = volumes.iter().find(|volume| volume.name == self.name);
        let size = |volume: Option<&VolumeRow>| volume.map(|volume| volume.size);
        let before = self.before.as_ref();
        let wanted = match (self.kind, status) {
            (Kind::Create, 303) => Some(self.size()),
            (Kind::Expand, 303) => before.map(|volume| volume.size + self.size()),
            (Kind::Delete, 204) => None,
            (_, 500) => size(before),
            _ => return Err(format!("{}: the queue answers {status}", self.label())),
        };
        if size(now) == wanted {
            return Ok(());
        }
        let sizes = format!("size {:?} instead of {wanted:?}", size(now));
        Err(format!("{}: the queue answers {status}, but the volume has {sizes}", self.label()))
    }
}

/// Where an operation stood, in few words: `create-brick x3 running`.
pub fn standing(row: &OperationRow) -> String {
    if row.at_rest {
        return format!("at rest ({})", row.state);
    }
    let back = if row.state == "unwinding" { "unwinding: " } else { "" };
    let of = |state: &str| {
        let mut count = BTreeMap::<&str, usize>::new();
        for step in row.steps.iter().filter(|step| step.state == state) {
            *count.entry(&step.name).or_default() += 1;
        }
        let words: Vec<_> = count.iter().map(|(name, n)| format!("{name} x{n}")).collect();
        words.join(", ")
    };
    let running = of("running");
    if !running.is_empty() {
        return format!("{back}{running} running");
    }
    if row.state != "running" && row.state != "unwinding" {
        return row.state.clone();
    }
    match row.steps.iter().rfind(|step| step.state == "done") {
        None => format!("{back}before the first step"),
        Some(last) => format!("{back}after {}", last.name),
    }
}
