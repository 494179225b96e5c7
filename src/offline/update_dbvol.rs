//! `offline update-dbvol`
use super::{clean_up::Site, print};
use crate::{
    database,
    domain::{
        Hostname, VolumeName,
        database_volume::{LEVEL, NAME, OPTIONS},
    },
    node::{Nodes, Script, gluster},
    serve,
    store::{Store, volumes::Volume},
    telemetry::Logging,
};
use anyhow::{Context, Result, bail};
use clap::Args;

/// What `offline update-dbvol` takes.
#[derive(Debug, Args)]
pub struct UpdateDbvol {
    #[command(flatten)]
    site: Site,
    /// The volume, when it has another name
    #[arg(long, value_name = "NAME", default_value = NAME)]
    force_volume_name: VolumeName,
}

impl UpdateDbvol {
    pub(super) async fn run(self) -> Result<()> {
        let config = self.site.config()?;
        let app = serve::build(&config, Logging::fixed(), serve::remote(&config).await?).await?;
        let done = update(&app.store, app.operations.nodes(), &self.force_volume_name).await;
        app.operations.end().await;
        app.store.clone().close().await;
        print(&(done? + "\n"))
    }
}

/// Sets the options, unless they were set before or somebody has chosen his own; what was done.
async fn update(store: &Store, nodes: &Nodes, name: &VolumeName) -> Result<String> {
    let (volume, hosts) = find(store, name).await?;
    let question = gluster::info_of_all(Script::reading(), nodes.tools());
    let (_, ran) = nodes.run_on_any(&hosts, &question).await?;
    let all = gluster::volumes(&ran.into_iter().next_back().unwrap_or_default())?;
    let report = all.into_iter().find(|report| report.name == name.as_str());
    let report = report.with_context(|| format!("gluster has no volume {name}"))?;
    match report.options.get(LEVEL).map(String::as_str) {
        None | Some("" | "0") => {}
        Some(level) => return Ok(format!("volume {name} has {LEVEL} {level}: nothing to do")),
    }
    let settings = gluster::set_options(nodes.tools(), name, &OPTIONS);
    let script = Script::changing(format!("volume-{}", volume.id)).then_all(settings);
    nodes.run_on_any(&hosts, &script).await?;
    Ok(format!("volume {name} has the options for a database now"))
}

async fn find(store: &Store, name: &VolumeName) -> Result<(Volume, Vec<Hostname>)> {
    let all = database::read(store).await?;
    let mut found = all.volumes.into_iter().filter(|v| v.name == *name && v.pending.is_none());
    let (Some(volume), None) = (found.next(), found.next()) else {
        bail!("there is no volume {name}, or there are several");
    };
    let nodes = all.nodes.into_iter().filter(|node| node.cluster == volume.cluster);
    let hosts = nodes.filter_map(|node| node.manage.into_iter().next()).collect();
    Ok((volume, hosts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{ClusterId, Gib, NodeId, State, VolumeId, durability::Requested},
        node::{Tools, sim::Sim, sim::world},
        store::{
            clusters::{self, Cluster},
            nodes::Node,
            volumes,
        },
    };
    use std::sync::Arc;

    #[tokio::test]
    async fn the_options_are_set_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("brickyard.db")).await.unwrap();
        let (cluster, node, id) = (ClusterId::random(), NodeId::random(), VolumeId::random());
        let name: VolumeName = "heketidbstorage".parse().unwrap();
        let mut tx = store.write().await.unwrap();
        clusters::insert(&mut tx, Cluster { id: cluster, file: true, block: true }).await.unwrap();
        let host = |name: &str| vec![name.parse().unwrap()];
        let (manage, storage) = (host("n0"), host("10.0.0.1"));
        let node = Node {
            id: node,
            cluster,
            zone: 1,
            manage,
            storage,
            tags: std::collections::BTreeMap::default(),
            state: State::Online,
            pending: None,
        };
        crate::store::nodes::insert(&mut tx, &node).await.unwrap();
        let volume = Volume {
            id,
            cluster,
            name: name.clone(),
            size: Gib(2),
            durability: Requested::default(),
            gid: 0,
            snapshot: None,
            block: false,
            options: vec![],
            clusters: vec![],
            pending: None,
        };
        volumes::insert(&mut tx, &volume).await.unwrap();
        tx.commit().await.unwrap();

        let sim = Arc::new(Sim::new(Gib(10).to_kib()));
        let nodes = Nodes::new(sim.clone(), Tools::default());
        let none = update(&store, &nodes, &name).await.unwrap_err().to_string();
        assert_eq!(none, "gluster has no volume heketidbstorage");
        let given = world::Volume {
            name: name.to_string(),
            kind: vec![],
            bricks: vec![],
            started: true,
            options: [(LEVEL.to_owned(), "0".to_owned())].into(),
            snapshots: 0,
            uuid: "u".into(),
        };
        sim.world().volumes.push(given);
        assert!(update(&store, &nodes, &name).await.unwrap().ends_with("for a database now"));
        let options = sim.world().volumes[0].options.clone();
        assert_eq!(options.len(), OPTIONS.len());
        assert_eq!(options["performance.strict-o-direct"], "on");
        let again = update(&store, &nodes, &name).await.unwrap();
        assert!(again.ends_with("user.heketi.dbstoragelevel 1: nothing to do"), "{again}");
        let other = update(&store, &nodes, &"other".parse().unwrap()).await.unwrap_err();
        assert!(other.to_string().contains("there is no volume other"));
    }
}
