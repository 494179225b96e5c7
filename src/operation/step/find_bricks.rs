//! Asking gluster whether it has bricks that another program was giving it when it ended.
use super::{Effect, Output, Place, Pool, Result, Way, session::bad_answer};
use crate::{
    domain::{BrickId, Hostname, VolumeId, VolumeName},
    node::{
        Lane, NodeError, Nodes, Script,
        gluster::{self, VolumeReport},
    },
};
use serde::{Deserialize, Serialize};

/// What gluster has of a volume whose bricks were being changed by somebody who has ended.
///
/// Whatever glusterd still does to the volume is waited for. That gluster has a brick is believed of
/// any node, since one that was away learns of it later; that it has not, only of all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FindBricks {
    pub(crate) pool: Pool,
    pub(crate) id: VolumeId,
    pub(crate) name: VolumeName,
    /// Management names of all nodes of the pool.
    pub(crate) members: Vec<Hostname>,
    /// All bricks that are known of the volume, those in question included.
    pub(crate) bricks: Vec<KnownBrick>,
    pub(crate) question: Question,
}

/// A brick, and its directory, by which gluster's list is searched: the id is a part of it, while
/// hosts may have several names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KnownBrick {
    pub(crate) id: BrickId,
    pub(crate) path: String,
}

/// What was being done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Question {
    /// These were being added.
    Added(Vec<BrickId>),
    /// One was taking the place of another.
    Replaced { old: BrickId, new: BrickId },
}

/// What gluster says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Found {
    /// It has what is new: else it has nothing of that.
    pub(crate) taken: bool,
    /// The volume's bricks in gluster's order; empty when it has others than those that are known.
    pub(crate) order: Vec<BrickId>,
    /// Nodes whose glusterd has what is new.
    pub(crate) hosts: Vec<Hostname>,
}

/// Whether gluster's `host:path` is in this directory. Hosts may have colons.
fn lies_in(address: &str, path: &str) -> bool {
    address.find(":/").and_then(|at| address.get(at + 1..)) == Some(path)
}

impl FindBricks {
    fn path(&self, id: BrickId) -> &str {
        let known = self.bricks.iter().find(|brick| brick.id == id);
        known.map(|brick| brick.path.as_str()).unwrap_or_default()
    }

    /// What follows from one node's list of all volumes.
    fn judge(&self, volumes: &[VolumeReport]) -> Result<Found> {
        let has = |volume: &VolumeReport, id: BrickId| {
            volume.bricks.iter().any(|address| lies_in(address, self.path(id)))
        };
        let ours = volumes.iter().find(|volume| volume.name == self.name.as_str());
        let mine = |id: &BrickId| ours.is_some_and(|volume| has(volume, *id));
        let name = &self.name;
        let new = match &self.question {
            Question::Added(new) => new.as_slice(),
            Question::Replaced { new, .. } => std::slice::from_ref(new),
        };
        let others = || volumes.iter().filter(|volume| volume.name != name.as_str());
        for &id in new {
            if let Some(other) = others().find(|other| has(other, id)) {
                let other = &other.name;
                return Err(NodeError::Refused(format!(
                    "brick {id} was to belong to volume {name}, and gluster's volume {other} has it: \
                     nothing is done about it; compare with `gluster volume info {other}`"
                )));
            }
        }
        let (there, missing): (Vec<_>, Vec<_>) = new.iter().copied().partition(|id| mine(id));
        let taken = match &self.question {
            Question::Added(_) if !there.is_empty() && !missing.is_empty() => {
                return Err(self.in_part(&there, &missing));
            }
            Question::Added(_) => missing.is_empty(),
            Question::Replaced { old, .. } if mine(old) != missing.is_empty() => missing.is_empty(),
            Question::Replaced { old, new } => {
                let both = if missing.is_empty() { "both" } else { "neither" };
                return Err(NodeError::Refused(format!(
                    "brick {new} was to take the place of brick {old}, and gluster's volume {name} has \
                     {both} of them: see to it that it has one (`gluster volume info {name}`), \
                     and it is settled at the next try"
                )));
            }
        };
        let listed = ours.map(|volume| volume.bricks.as_slice()).unwrap_or_default();
        let known = |address: &String| {
            self.bricks.iter().find(|brick| lies_in(address, &brick.path)).map(|brick| brick.id)
        };
        let order: Option<Vec<_>> = listed.iter().map(known).collect();
        Ok(Found { taken, order: order.unwrap_or_default(), hosts: vec![] })
    }

    /// Which of the bricks that are missing belong together is not known to anybody.
    fn in_part(&self, there: &[BrickId], missing: &[BrickId]) -> NodeError {
        let paths =
            |ids: &[BrickId]| ids.iter().map(|id| self.path(*id)).collect::<Vec<_>>().join(" ");
        let (name, there, missing) = (&self.name, paths(there), paths(missing));
        NodeError::Refused(format!(
            "volume {name} was to grow, and gluster has only a part of the new bricks: it has {there}, \
             and lacks {missing}. Add those as well (`gluster volume add-brick {name} ...`), or take the \
             others out (`gluster volume remove-brick {name} ...`), and it is settled at the next try"
        ))
    }

    /// Until glusterd does nothing to the volume any more: a command goes on when whoever sent it has
    /// ended.
    async fn wait(&self, nodes: &Nodes) -> Result<()> {
        let wait = Script::changing(format!("volume-{}", self.id));
        let wait = gluster::wait_for_others(wait, nodes.tools(), &self.name);
        match self.pool.change(nodes, &wait).await {
            Err(error) if !gluster::IDLE.iter().any(|words| error.says(words)) => Err(error),
            _ => Ok(()),
        }
    }

    /// What the node's own glusterd says; none when the node is given up.
    async fn ask(&self, nodes: &Nodes, host: &Hostname) -> Result<Option<Found>> {
        let script = gluster::info_of_all(Script::reading(), nodes.tools()).lane(Lane::Pool);
        let ran = match nodes.run(host, &script).await {
            Err(error) if nodes.is_lost(host, &error) => return Ok(None),
            other => other?,
        };
        let volumes = gluster::volumes(&ran.into_iter().next().unwrap_or_default())
            .map_err(|why| bad_answer(host, "gluster volume info", &why))?;
        self.judge(&volumes).map(Some)
    }

    async fn look(&self, nodes: &Nodes) -> Result<Found> {
        self.wait(nodes).await?;
        let asked = self.members.iter().map(|host| self.ask(nodes, host));
        let answers = futures_util::future::join_all(asked).await;
        let (mut found, mut unknown) = (None::<Found>, None);
        for (host, answer) in self.members.iter().zip(answers) {
            match answer {
                Ok(None) => {}
                Ok(Some(now)) => {
                    let best = match found.take() {
                        Some(best) if best.taken || !now.taken => best,
                        _ => now.clone(),
                    };
                    let best = found.insert(best);
                    if now.taken {
                        best.hosts.push(host.clone());
                    }
                }
                Err(error @ NodeError::Refused(_)) => return Err(error),
                Err(error) => unknown = Some(error),
            }
        }
        let nobody = || NodeError::Refused("no hosts available (0 total)".into());
        match (found, unknown) {
            (Some(found), _) if found.taken => Ok(found),
            (_, Some(error)) => Err(error),
            (Some(found), None) => Ok(found),
            (None, None) => Err(nobody()),
        }
    }
}

impl Effect for FindBricks {
    const WAY: Way = Way::Reversible;

    async fn run(&self, nodes: &Nodes) -> Result {
        self.look(nodes).await.map(Output::Found)
    }
    async fn undo(&self, _: &Nodes) -> Result {
        Ok(Output::Nothing)
    }
    fn place(&self) -> Place<'_> {
        Place::Pool(&self.pool)
    }
}

/// Gluster has nothing of what is new, now that its bricks are gone as well: what came late was
/// refused by gluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProveUnused {
    pub(crate) find: FindBricks,
}

impl Effect for ProveUnused {
    const WAY: Way = Way::Reversible;

    async fn run(&self, nodes: &Nodes) -> Result {
        if !self.find.look(nodes).await?.taken {
            return Ok(Output::Nothing);
        }
        let name = &self.find.name;
        Err(NodeError::Refused(format!(
            "gluster has taken new bricks of volume {name} after all, which are gone: take them out \
             (`gluster volume info {name}`), and it is settled at the next try"
        )))
    }
    async fn undo(&self, _: &Nodes) -> Result {
        Ok(Output::Nothing)
    }
    fn place(&self) -> Place<'_> {
        self.find.place()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ClusterId;

    fn brick(digit: &str) -> BrickId {
        digit.repeat(32).parse().unwrap()
    }
    fn path(digit: &str) -> String {
        format!("/b/{digit}/brick")
    }
    fn find(question: Question) -> FindBricks {
        let known = |digit: &str| KnownBrick { id: brick(digit), path: path(digit) };
        FindBricks {
            pool: Pool { cluster: ClusterId::random(), via: vec![] },
            id: VolumeId::random(),
            name: "v".parse().unwrap(),
            members: vec![],
            bricks: ["1", "2", "a", "b"].map(known).to_vec(),
            question,
        }
    }
    /// Whether gluster with these bricks has what is new, and in which order; or why nobody can tell.
    fn judged(
        find: &FindBricks,
        bricks: &str,
        other: &str,
    ) -> std::result::Result<(bool, String), String> {
        let addresses = |digits: &str| {
            digits.chars().map(|d| format!("fe80::1:{}", path(&d.to_string()))).collect()
        };
        let volume = |name: &str, digits: &str| VolumeReport {
            name: name.into(),
            bricks: addresses(digits),
            ..VolumeReport::default()
        };
        let volumes = [volume("u", other), volume("v", bricks)];
        let found = find.judge(&volumes).map_err(|error| error.to_string())?;
        let first = |id: &BrickId| id.to_string().chars().next().unwrap();
        Ok((found.taken, found.order.iter().map(first).collect()))
    }

    #[test]
    fn added_bricks_are_there_or_not() {
        let find = find(Question::Added(vec![brick("a"), brick("b")]));
        assert_eq!(judged(&find, "21", ""), Ok((false, "21".into())));
        assert_eq!(judged(&find, "21ba", ""), Ok((true, "21ba".into())));
        assert_eq!(judged(&find, "21bax", ""), Ok((true, String::new())), "one is not known");
        assert_eq!(find.judge(&[]).unwrap(), Found::default(), "no such volume");
        let part = judged(&find, "21a", "").unwrap_err();
        assert!(part.contains("it has /b/a/brick, and lacks /b/b/brick"), "{part}");
        let foreign = judged(&find, "21", "b").unwrap_err();
        assert!(foreign.contains("gluster's volume u has it"), "{foreign}");
    }

    #[test]
    fn a_brick_was_replaced_or_not() {
        let find = find(Question::Replaced { old: brick("1"), new: brick("a") });
        assert_eq!(judged(&find, "12", ""), Ok((false, "12".into())));
        assert_eq!(judged(&find, "a2", ""), Ok((true, "a2".into())));
        for (bricks, word) in [("1a", "both"), ("2", "neither"), ("", "neither")] {
            let why = judged(&find, bricks, "").unwrap_err();
            assert!(why.contains(&format!("has {word} of them")), "{why}");
        }
        assert!(judged(&find, "12", "a").unwrap_err().contains("gluster's volume u has it"));
    }
}
