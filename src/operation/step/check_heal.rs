//! Asking whether a brick may be replaced without losing data (storage.md 5.3, api.md 10.6).
use super::{Effect, Output, Place, Pool, Result, Way, delete_volume::state, session::bad_answer};
use crate::{
    domain::{BrickId, Hostname, VolumeName},
    node::{
        NodeError, Nodes, Script,
        gluster::{self, BrickAddress, HealState, Healing},
    },
};
use serde::{Deserialize, Serialize};

/// What is done when data waits to be healed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum HealCheck {
    /// The brick is not moved.
    #[default]
    Refuse,
    /// It is waited for.
    Wait,
    /// Nobody asks: what only this brick has is lost.
    Skip,
}

/// Refuses to go on when the other bricks of the set could not give all that is on this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CheckHeal {
    pub(crate) pool: Pool,
    pub(crate) name: VolumeName,
    pub(crate) brick: BrickId,
    pub(crate) address: BrickAddress,
    /// The other bricks of its set, and how many of them must be there.
    pub(crate) others: Vec<BrickAddress>,
    pub(crate) needed: usize,
    pub(crate) check: HealCheck,
    /// All names of the cluster's other nodes: who is listed by none of them may be the brick's.
    #[serde(default)]
    pub(crate) names: Vec<Hostname>,
}

/// Looks until a node counts as there whose brick is not; a minute on real nodes. gluster notices
/// within half of that.
pub(super) const NOTICED: u32 = 12;

/// Healing that is waited for is begun anew after so many looks: once a minute on real nodes.
const HURRIED: u32 = 6;

/// Why a brick must not be replaced now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Obstacle {
    /// The brick has what others lack.
    Source(u64),
    /// So many of the others are there.
    TooFew(usize),
    /// gluster does not speak of the brick at all.
    Unknown,
}

impl CheckHeal {
    /// The rules of api.md 10.6. A brick that is away can be no source: what it alone has is out of
    /// reach.
    fn obstacle(&self, heal: &HealState) -> Option<Obstacle> {
        match heal.of(&self.address) {
            Healing::Source(0) => {}
            Healing::Source(files) => return Some(Obstacle::Source(files)),
            Healing::Away if heal.away == 0 => return Some(Obstacle::Unknown),
            Healing::Away => {}
        }
        let there = self.others.iter().filter(|other| heal.of(other) != Healing::Away).count();
        (there < self.needed).then_some(Obstacle::TooFew(there))
    }

    /// Heketi's texts.
    fn refusal(&self, obstacle: Obstacle) -> NodeError {
        let (brick, needed) = (self.brick, self.needed);
        NodeError::Refused(match obstacle {
            Obstacle::Source(_) => {
                format!("Cannot replace brick {brick} as it is source brick for data to be healed")
            }
            Obstacle::TooFew(there) => format!(
                "Cannot replace brick {brick} as only {there} of {needed} required peer bricks are \
                 online"
            ),
            Obstacle::Unknown => "Unable to determine heal status of brick".into(),
        })
    }

    async fn ask(&self, nodes: &Nodes) -> Result<HealState> {
        let script = gluster::heal_info(Script::reading(), nodes.tools(), &self.name);
        let (host, ran) = self.pool.ask(nodes, &script).await?;
        let question = format!("gluster volume heal {} info", self.name);
        HealState::read(&ran.into_iter().next().unwrap_or_default())
            .map_err(|why| bad_answer(&host, &question, &why))
    }

    /// What gluster replaces must be there, and must be running: a new brick of a volume that is
    /// stopped could not be told from one that does not start.
    async fn look(&self, nodes: &Nodes) -> Result<()> {
        let (name, address) = (&self.name, &self.address);
        let refused =
            |why: String| NodeError::Refused(format!("Cannot replace brick {}: {why}", self.brick));
        let Some(found) = state(nodes, &self.pool, name).await? else {
            return Err(refused(format!("gluster has no volume {name}")));
        };
        if !found.has(address) {
            return Err(refused(format!("gluster's volume {name} has no brick {address}")));
        }
        if !found.started {
            return Err(refused(format!(
                "volume {name} is stopped; start it (`gluster volume start {name}`)"
            )));
        }
        Ok(())
    }

    /// Whether the other bricks can give all that is on this one now, or, if there is time for that,
    /// in a while.
    pub(super) async fn judge(&self, nodes: &Nodes) -> Result<()> {
        if self.others.is_empty() {
            // Without redundancy nothing could be healed: Heketi then lost the data if it was told
            // not to ask.
            return Err(self.refusal(Obstacle::TooFew(0)));
        }
        if self.check == HealCheck::Skip { Ok(()) } else { self.wait(nodes).await }
    }

    /// Waits until gluster has noticed that the node of a dead brick is away. A change that gluster
    /// begins before that is sent to the dead node as well, and holds the pool until the network
    /// gives up: for ten minutes and more (seen with gluster 10.3).
    ///
    /// What cannot be asked is not waited for.
    pub(super) async fn until_noticed(&self, nodes: &Nodes) {
        let pace = nodes.pace();
        for _ in 0..NOTICED {
            // In the end the node is there, and only the brick is not.
            if !self.is_unnoticed(nodes).await || !nodes.pause(pace.look_pause).await {
                return;
            }
        }
    }

    async fn is_unnoticed(&self, nodes: &Nodes) -> bool {
        let script = Script::reading().then(gluster::pool_list(nodes.tools()));
        let Ok((_, ran)) = self.pool.ask(nodes, &script).await else { return false };
        let text = ran.first().map(|ran| ran.stdout.as_str()).unwrap_or_default();
        let host = &self.address.host;
        let listed =
            gluster::lists_peer(text, host) || !gluster::strangers(text, &self.names).is_empty();
        if listed && gluster::is_noticed(text, host, &self.names) {
            return false;
        }
        self.ask(nodes).await.is_ok_and(|heal| heal.of(&self.address) == Healing::Away)
    }

    /// Until there is nothing to be healed from this brick. Ends with the obstacle when nothing was
    /// healed for a very long time.
    async fn wait(&self, nodes: &Nodes) -> Result<()> {
        let pace = nodes.pace();
        let _told = Told(nodes);
        let (mut fewest, mut in_vain, mut looks) = (u64::MAX, 0, 0);
        loop {
            let heal = self.ask(nodes).await?;
            let files = match self.obstacle(&heal) {
                None => return Ok(()),
                Some(Obstacle::Source(files)) if self.check == HealCheck::Wait => files,
                Some(obstacle) => return Err(self.refusal(obstacle)),
            };
            nodes.note_healing(Some(files));
            in_vain = if files < fewest { 0 } else { in_vain + 1 };
            fewest = fewest.min(files);
            if in_vain > pace.heal_looks || !nodes.pause(pace.heal_pause).await {
                return Err(self.refusal(Obstacle::Source(files)));
            }
            looks += 1;
            if looks % HURRIED == 0 {
                self.hurry(nodes).await;
            }
        }
    }

    /// Heals at once what is known to wait, as far as gluster can do that now: by itself it looks
    /// for it every ten minutes.
    async fn hurry(&self, nodes: &Nodes) {
        let script = Script::changing(format!("heal-{}", self.name));
        let script = script.then(gluster::heal(nodes.tools(), &self.name));
        if let Err(error) = self.pool.change(nodes, &script).await {
            tracing::info!(volume = %self.name, %error, "healing was not begun");
        }
    }
}

/// Nobody is told of healing any more when nobody waits for it, however that ends.
struct Told<'a>(&'a Nodes);
impl Drop for Told<'_> {
    fn drop(&mut self) {
        self.0.note_healing(None);
    }
}

impl Effect for CheckHeal {
    const WAY: Way = Way::Reversible;

    async fn run(&self, nodes: &Nodes) -> Result {
        self.look(nodes).await?;
        self.judge(nodes).await?;
        Ok(Output::Nothing)
    }
    async fn undo(&self, _: &Nodes) -> Result {
        Ok(Output::Nothing)
    }
    fn place(&self) -> Place<'_> {
        Place::Pool(&self.pool)
    }
    fn brick(&self) -> Option<BrickId> {
        Some(self.brick)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::ClusterId, node::Ran};

    fn address(n: usize) -> BrickAddress {
        BrickAddress { host: format!("10.0.0.{n}").parse().unwrap(), path: format!("/b/{n}") }
    }
    /// Brick 0 of a set of so many.
    fn check(bricks: usize, needed: usize) -> CheckHeal {
        CheckHeal {
            pool: Pool { cluster: ClusterId::random(), via: vec![] },
            name: "v".parse().unwrap(),
            brick: BrickId::random(),
            address: address(0),
            others: (1..bricks).map(address).collect(),
            needed,
            check: HealCheck::Refuse,
            names: vec![],
        }
    }
    /// The numbers that the bricks of a set list; none for one that is away.
    fn state(entries: &[Option<u64>]) -> HealState {
        let brick = |(n, entries): (usize, &Option<u64>)| match entries {
            Some(count) => format!(
                "<brick><name>{}</name><numberOfEntries>{count}</numberOfEntries></brick>",
                address(n)
            ),
            None => "<brick><name>information not available</name>\
                     <numberOfEntries>-</numberOfEntries></brick>"
                .to_owned(),
        };
        let bricks: String = entries.iter().enumerate().map(brick).collect();
        let stdout = format!(
            "<cliOutput><healInfo><bricks>{bricks}</bricks></healInfo><opRet>0</opRet></cliOutput>"
        );
        HealState::read(&Ran { status: Some(0), stdout, stderr: String::new() }).unwrap()
    }

    #[test]
    fn the_rules() {
        let three = check(3, 2);
        for (entries, obstacle) in [
            ([Some(0), Some(0), Some(0)], None),
            // What others have and this one lacks is no reason to keep it.
            ([Some(0), Some(9), Some(9)], None),
            ([Some(1), Some(0), Some(0)], Some(Obstacle::Source(1))),
            ([None, Some(5), Some(5)], None),
            ([Some(0), Some(0), None], Some(Obstacle::TooFew(1))),
            ([None, None, Some(0)], Some(Obstacle::TooFew(1))),
        ] {
            assert_eq!(three.obstacle(&state(&entries)), obstacle, "{entries:?}");
        }
        assert_eq!(check(2, 1).obstacle(&state(&[None, Some(0)])), None);
        let elsewhere = CheckHeal { address: address(7), ..check(3, 2) };
        let all = state(&[Some(0), Some(0), Some(0)]);
        assert_eq!(elsewhere.obstacle(&all), Some(Obstacle::Unknown));
    }
}
