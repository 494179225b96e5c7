//! Setting devices up for bricks, reading them, and giving them back.
use super::{Effect, Output, Place, Result, Way, after_start};
use crate::{
    domain::{DeviceFacts, DeviceId, DeviceName, Hostname, Kib},
    node::{NodeError, Nodes, Ran, Script, lvm, mount},
};
use serde::{Deserialize, Serialize};

fn lock(device: DeviceId) -> Script {
    Script::changing(format!("device-{device}"))
}

/// Physical volume and volume group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SetUpDevice {
    pub(crate) host: Hostname,
    pub(crate) device: DeviceId,
    pub(crate) name: DeviceName,
    /// Wipe what is on it, if it cannot be set up otherwise.
    pub(crate) destroy: Option<Wipe>,
}

/// What must not be wiped: the physical volumes of all devices we know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Wipe {
    pub(crate) known: Vec<(DeviceId, String)>,
}

impl SetUpDevice {
    async fn set_up(&self, nodes: &Nodes, wipe: bool) -> Result<DeviceFacts> {
        let tools = nodes.tools();
        let script = lvm::create_group(lock(self.device), tools, self.device, &self.name, wipe);
        let script = lvm::read_group(script, tools, self.device, &self.name);
        let ran = nodes.run(&self.host, &script).await?;
        lvm::facts(&self.host, &self.name, &ran)
    }

    /// Whether the device may be wiped (storage.md 1.3): it holds no physical volume, or one that
    /// is certainly not ours.
    async fn may_wipe(&self, nodes: &Nodes, wipe: &Wipe) -> Result<()> {
        let script = lvm::read_pv(Script::reading(), nodes.tools(), &self.name);
        let ran = nodes.run(&self.host, &script).await?;
        let Some(uuid) = ran.first().and_then(lvm::found_pv) else { return Ok(()) };
        let ours = wipe.known.iter().find(|(_, known)| *known == uuid);
        if let Some((id, _)) = ours {
            return Err(NodeError::Refused(format!("Device already in use (ID: {id})")));
        }
        if let Some((id, _)) = wipe.known.iter().find(|(_, known)| known.is_empty()) {
            return Err(NodeError::Refused(format!(
                "Can not destroy device, destroy may not be safe: the UUID of device {id} is not known"
            )));
        }
        Ok(())
    }

    fn explain(&self, error: NodeError) -> NodeError {
        match error {
            NodeError::Failed { host, command, status, stderr } => {
                let why = "already initialized or contains data?";
                let stderr = format!("Initializing device {} failed ({why}): {stderr}", self.name);
                NodeError::Failed { host, command, status, stderr }
            }
            other => other,
        }
    }
}

impl Effect for SetUpDevice {
    const WAY: Way = Way::Reversible;

    /// Wiping is a last resort: first it is tried without.
    async fn run(&self, nodes: &Nodes) -> Result {
        let first = self.set_up(nodes, false).await;
        let facts = match (first, &self.destroy) {
            (Err(NodeError::Failed { .. }), Some(wipe)) => {
                self.may_wipe(nodes, wipe).await.map_err(after_start)?;
                self.set_up(nodes, true).await.map_err(after_start)
            }
            (other, _) => other,
        };
        facts.map(Output::Device).map_err(|error| self.explain(error))
    }
    /// The group bears our id, so it is there only if `run` made it.
    async fn undo(&self, nodes: &Nodes) -> Result {
        tear_down(nodes, &self.host, self.device, self.name.as_str()).await
    }
    fn place(&self) -> Place<'_> {
        Place::Node(&self.host)
    }
}

/// Gives a device back, empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TearDownDevice {
    pub(crate) host: Hostname,
    pub(crate) device: DeviceId,
    /// By-id path if the UUID is known, else the name it was added by.
    pub(crate) path: String,
    /// Forget the device even if the node cannot be cleaned.
    pub(crate) force: bool,
}

impl Effect for TearDownDevice {
    const WAY: Way = Way::ForwardOnly;

    async fn run(&self, nodes: &Nodes) -> Result {
        match tear_down(nodes, &self.host, self.device, &self.path).await {
            // The group holds something that is not ours: nothing was removed, and the device can
            // still be looked at, or forgotten by force.
            Err(NodeError::Failed { host, command, status, stderr })
                if !self.force && command.contains("vgremove") =>
            {
                let error = NodeError::Failed { host, command, status, stderr };
                Err(NodeError::WithoutEffect(error.into()))
            }
            Err(error) if self.force => {
                let device = self.device;
                tracing::warn!(%device, %error, "forgotten by force; the node was not cleaned");
                Ok(Output::Nothing)
            }
            other => other,
        }
    }
    async fn undo(&self, _: &Nodes) -> Result {
        Ok(Output::Nothing)
    }
    fn place(&self) -> Place<'_> {
        Place::Node(&self.host)
    }
}

async fn tear_down(nodes: &Nodes, host: &Hostname, device: DeviceId, path: &str) -> Result {
    let script = mount::forget_device(lock(device), device);
    let script = lvm::remove_group(script, nodes.tools(), device, path);
    let ran = match nodes.run(host, &script).await {
        Err(error) if nodes.is_lost(host, &error) => return Ok(Output::Nothing),
        other => other?,
    };
    lvm::group_removed(host, path, ran.last().unwrap_or(&Ran::default()))?;
    Ok(Output::Nothing)
}

/// Reads size and use of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReadDevice {
    pub(crate) host: Hostname,
    pub(crate) device: DeviceId,
    pub(crate) name: DeviceName,
    /// What was in use by the database's account when this was planned, if that matters.
    #[serde(default)]
    pub(crate) accounted: Option<Kib>,
}

impl Effect for ReadDevice {
    const WAY: Way = Way::Reversible;

    async fn run(&self, nodes: &Nodes) -> Result {
        let script = lvm::read_group(Script::reading(), nodes.tools(), self.device, &self.name);
        let ran = nodes.run(&self.host, &script).await?;
        lvm::facts(&self.host, &self.name, &ran).map(Output::Device)
    }
    async fn undo(&self, _: &Nodes) -> Result {
        Ok(Output::Nothing)
    }
    fn place(&self) -> Place<'_> {
        Place::Node(&self.host)
    }
}
