//! A disk of a node becomes a device: physical volume and volume group.
use super::{
    Operation, Plan, Planning,
    journal::Record,
    step::{Output, SetUpDevice, Step, Wipe},
};
use crate::{
    api::device::DeviceAddRequest,
    domain::{DeviceId, DeviceName, Kib, NodeId, State, Tags},
    error::{Error, Result},
    store::{
        WriteTx,
        devices::{self, Device},
        nodes,
    },
    validate::{self, Problems},
};
use serde::{Deserialize, Serialize};

/// `POST /devices`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddDevice {
    device: DeviceId,
    /// As given: whether there is such a node is looked up later.
    node: String,
    name: DeviceName,
    tags: Tags,
    destroy: bool,
}

impl TryFrom<DeviceAddRequest> for AddDevice {
    type Error = Error;
    fn try_from(request: DeviceAddRequest) -> Result<Self> {
        let DeviceAddRequest { node, name, tags, destroydata } = request;
        Problems::default()
            .field("node", validate::id(&node))
            .field("name", validate::device_name(&name))
            .field("tags", validate::tags(&tags))
            .check()?;
        let name = name.parse().map_err(|e| Error::Invalid(format!("name: {e}")))?;
        Ok(Self { device: DeviceId::random(), node, name, tags, destroy: destroydata })
    }
}

impl Operation for AddDevice {
    fn claims(&self) -> Vec<String> {
        vec![format!("device-name/{}{}", self.node, self.name)]
    }
    fn subject(&self) -> Option<(&'static str, String)> {
        Some(("Add device", self.device.to_string()))
    }

    async fn reserve(&self, tx: &mut WriteTx, planning: &Planning<'_>) -> Result<Plan> {
        let unknown = || Error::NotFound("Node id does not exist".into());
        let id: NodeId = self.node.parse().map_err(|_| unknown())?;
        let node = nodes::get(tx, id).await?.filter(|n| n.pending.is_none()).ok_or_else(unknown)?;
        if let Some(other) = devices::by_name(tx, id, &self.name).await? {
            return Err(Error::Conflict(format!(
                "Device {} is already used on node {id} by device {}",
                self.name, other.id
            )));
        }
        let destroy = if self.destroy {
            Some(Wipe { known: devices::known_uuids(tx, id).await? })
        } else {
            None
        };
        let device = Device {
            id: self.device,
            node: id,
            name: self.name.clone(),
            state: State::Online,
            total: Kib::ZERO,
            used: Kib::ZERO,
            extent: Kib::ZERO,
            pv_uuid: String::new(),
            paths: vec![],
            tags: self.tags.clone(),
            pending: Some(planning.id),
        };
        devices::insert(tx, &device).await?;
        let (host, name) = (node.host()?.clone(), self.name.clone());
        Ok(vec![vec![Step::SetUpDevice(SetUpDevice { host, device: self.device, name, destroy })]])
    }
    async fn commit(&self, tx: &mut WriteTx, record: &Record) -> Result<()> {
        for step in &record.steps {
            if let Output::Device(facts) = &step.output {
                devices::set_facts(tx, self.device, facts).await?;
            }
        }
        devices::set_pending(tx, self.device, None).await
    }
    async fn release(&self, tx: &mut WriteTx, _: &Record) -> Result<()> {
        devices::delete(tx, self.device).await
    }
}
