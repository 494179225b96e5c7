//! Whether the `PersistentVolumes` of Kubernetes and the volumes are the same ones.
//!
//! Other servers may serve the same Kubernetes. Whose a volume is that we do not have is told by
//! the Endpoints that it is mounted by: our hosts are in them, or only strangers are. Where that
//! cannot be told, nothing is said but that.
use super::view::{View, difference};
use crate::{
    api::reality::{Difference, Kind, PersistentVolumesReport, Unknown, VolumeWithout},
    domain::{ClusterId, Gib, Hostname, VolumeId, database_volume},
    kube::persistent::{Addresses, EndpointsName, GlusterVolume, PersistentVolumes, is_name},
    store::volumes::Volume,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

/// How long all answers of the API server together may take.
const PATIENCE: Duration = Duration::from_mins(2);
const KUBERNETES: &str = "Kubernetes";

/// What the API server has, or why that is not known.
pub(crate) type Claimed = Result<Found, String>;

pub(crate) struct Found {
    /// Those that were the same before and after.
    stayed: Vec<GlusterVolume>,
    /// Names of gluster volumes, and ids, that any named before or after.
    named: BTreeSet<String>,
    /// How many came, went, changed, or are about to go.
    under_way: usize,
    addresses: Result<Addresses, String>,
}

/// Asks for everything; before and after the Endpoints, since claims come and go.
pub(super) async fn ask(kubernetes: &PersistentVolumes) -> Claimed {
    let asked = async {
        let before = kubernetes.list().await?;
        let quiet = before.iter().filter(|volume| !volume.going);
        let wanted = quiet.filter_map(|volume| volume.endpoints.clone()).collect();
        let addresses = kubernetes.addresses(wanted).await;
        let after: BTreeMap<String, GlusterVolume> = kubernetes
            .list()
            .await?
            .into_iter()
            .map(|volume| (volume.name.clone(), volume))
            .collect();
        let all = || before.iter().chain(after.values());
        let named = all().flat_map(|v| v.id.clone().into_iter().chain([v.volume.clone()]));
        let named = named.collect();
        let names: BTreeSet<&str> = all().map(|volume| volume.name.as_str()).collect();
        let count = names.len();
        let same =
            |volume: &GlusterVolume| !volume.going && after.get(&volume.name) == Some(volume);
        let stayed: Vec<_> = before.iter().filter(|volume| same(volume)).cloned().collect();
        let under_way = count - stayed.len();
        Ok(Found { stayed, named, under_way, addresses })
    };
    let late = |_| Err(format!("no answer to all questions within {} s", PATIENCE.as_secs()));
    tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(late)
}

/// What was compared; none when `check` is not to, or could not.
pub(super) fn compare(
    view: &View<'_>,
    unknown: &mut Vec<Unknown>,
    differences: &mut Vec<Difference>,
) -> Option<PersistentVolumesReport> {
    let found = match view.facts.claimed.as_ref()? {
        Ok(found) => found,
        Err(why) => {
            unknown.push(not_known("PersistentVolumes".into(), why));
            return None;
        }
    };
    if let Err(why) = &found.addresses {
        unknown.push(not_known("Endpoints of PersistentVolumes".into(), why));
    }
    let estate = Estate::of(view, found);
    let mut seen = Seen::default();
    for claimed in &found.stayed {
        estate.judge(claimed, &mut seen, differences);
    }
    let Seen { elsewhere, mut doubts, endpoints } = seen;
    for (place, users) in &endpoints {
        estate.endpoints(place, users, &mut doubts, differences);
    }
    for (why, names) in &doubts {
        unknown.push(not_known(several(names), why));
    }
    Some(PersistentVolumesReport {
        compared: found.stayed.len(),
        under_way: found.under_way,
        elsewhere,
        volumes_without: estate.without(),
    })
}

fn not_known(what: String, why: &str) -> Unknown {
    Unknown { place: KUBERNETES.into(), what, why: why.to_owned() }
}

/// The first of them by name, and how many more there are.
fn several(names: &BTreeSet<String>) -> String {
    let first = names.first().map(String::as_str).unwrap_or_default();
    match names.len() {
        0 | 1 => format!("PersistentVolume {first}"),
        2 => format!("PersistentVolume {first} and another one"),
        more => format!("PersistentVolume {first} and {} others", more - 1),
    }
}

/// What is found out about one after the other.
#[derive(Default)]
struct Seen {
    elsewhere: Vec<String>,
    /// Which cannot be judged, by the reason.
    doubts: BTreeMap<&'static str, BTreeSet<String>>,
    /// What mounts volumes of this cluster by these Endpoints.
    endpoints: BTreeMap<(EndpointsName, ClusterId), Users>,
}

/// Who mounts by the same Endpoints.
struct Users {
    /// One of the volumes.
    volume: VolumeId,
    /// The `PersistentVolumes`.
    names: BTreeSet<String>,
    /// One of them has the id of the volume: what only has a name may be another server's.
    sure: bool,
}

/// Whose the hosts in Endpoints are.
enum Whose {
    /// At least one of them is ours.
    Ours,
    /// None of them.
    Others,
    /// That cannot be told, and why.
    Unclear(&'static str),
}

/// Volumes and hosts, as they are looked up.
struct Estate<'a> {
    found: &'a Found,
    /// Names of all volumes that gluster has.
    in_gluster: BTreeSet<&'a str>,
    /// Volumes that nothing happens to.
    settled: BTreeMap<VolumeId, &'a Volume>,
    by_name: BTreeMap<&'a str, BTreeSet<VolumeId>>,
    /// In which cluster each volume is or was a moment ago, and its name.
    all: BTreeMap<VolumeId, (ClusterId, &'a str)>,
    hosts: BTreeMap<ClusterId, Hosts>,
}

/// Addresses of a cluster's storage hosts.
#[derive(Default)]
struct Hosts {
    addresses: BTreeSet<String>,
    /// Some have names only, of which nobody here knows the addresses.
    has_names: bool,
}

/// As it would be written by anybody.
fn plain(address: &str) -> String {
    address.parse().map_or_else(|_| address.to_owned(), |address: IpAddr| address.to_string())
}

impl<'a> Estate<'a> {
    fn of(view: &'a View<'a>, found: &'a Found) -> Self {
        let settled =
            view.settled_volumes().into_iter().map(|(volume, _)| (volume.id, volume)).collect();
        let mut by_name = BTreeMap::<&str, BTreeSet<VolumeId>>::new();
        let (mut all, mut hosts) = (BTreeMap::new(), BTreeMap::<ClusterId, Hosts>::new());
        for snapshot in view.both() {
            for volume in &snapshot.volumes {
                by_name.entry(volume.name.as_str()).or_default().insert(volume.id);
                all.insert(volume.id, (volume.cluster, volume.name.as_str()));
            }
            // Also hosts that come or go: what names them is not wrong.
            for node in &snapshot.nodes {
                let hosts = hosts.entry(node.cluster).or_default();
                let is_address = |name: &str| name.parse::<IpAddr>().is_ok();
                let names = || node.storage.iter().map(Hostname::as_str);
                hosts.has_names |= !names().any(is_address);
                hosts.addresses.extend(names().map(plain));
            }
        }
        let clusters = view.facts.after.clusters.iter();
        let in_gluster = clusters.flat_map(|cluster| view.in_gluster(cluster.id).0.into_keys());
        Self { found, in_gluster: in_gluster.collect(), settled, by_name, all, hosts }
    }

    fn judge(&self, claimed: &GlusterVolume, seen: &mut Seen, differences: &mut Vec<Difference>) {
        let mut doubt = |why| {
            seen.doubts.entry(why).or_default().insert(claimed.name.clone());
        };
        let Some(id) = self.volume_of(claimed) else {
            match self.whose(claimed) {
                Whose::Ours => differences.push(self.of_nobody(claimed)),
                Whose::Others => seen.elsewhere.push(claimed.name.clone()),
                Whose::Unclear(why) => doubt(why),
            }
            return;
        };
        let Some((cluster, name)) = self.all.get(&id) else { return };
        if let Some(endpoints) = &claimed.endpoints {
            let place = (endpoints.clone(), *cluster);
            let new = || Users { volume: id, names: BTreeSet::new(), sure: false };
            let users = seen.endpoints.entry(place).or_insert_with(new);
            users.names.insert(claimed.name.clone());
            users.sure |= claimed.id.is_some();
        }
        if *name != claimed.volume {
            differences.push(mismatch(claimed, id, name));
        }
        if let Some(volume) = self.settled.get(&id) {
            match claimed.capacity {
                None => doubt("its capacity is no size"),
                Some(bytes) => differences.extend(size(claimed, volume, bytes)),
            }
        }
    }

    /// The volume that is meant: by its id, or by its name, which may be in several clusters.
    fn volume_of(&self, claimed: &GlusterVolume) -> Option<VolumeId> {
        let id = claimed.id.as_deref().and_then(|id| id.parse::<VolumeId>().ok());
        if let Some(id) = id.filter(|id| self.all.contains_key(id)) {
            return Some(id);
        }
        // A provisioner's id that nobody knows: what has its name now is another volume.
        if claimed.id.is_some() {
            return None;
        }
        let named = self.by_name.get(claimed.volume.as_str())?;
        let here = |id: &&VolumeId| {
            let cluster = self.all.get(id).and_then(|(cluster, _)| self.hosts.get(cluster));
            let addresses = self.addresses(claimed);
            cluster.zip(addresses).is_some_and(|(hosts, addresses)| hosts.meet(addresses))
        };
        match named.len() {
            1 => named.first().copied(),
            _ => named.iter().find(here).copied(),
        }
    }

    /// What stands in its Endpoints, if that is known and they are there.
    fn addresses(&self, claimed: &GlusterVolume) -> Option<&BTreeSet<String>> {
        let all = self.found.addresses.as_ref().ok()?;
        all.get(claimed.endpoints.as_ref()?)?.as_ref()
    }

    fn whose(&self, claimed: &GlusterVolume) -> Whose {
        let none = "it names no volume of this server, and has no Endpoints that would tell whether \
                    it is of another one";
        if self.found.addresses.is_err() && claimed.endpoints.is_some() {
            return Whose::Unclear(
                "whether it is of this server cannot be told: its Endpoints could not be read",
            );
        }
        let Some(addresses) = self.addresses(claimed) else { return Whose::Unclear(none) };
        if addresses.is_empty() {
            return Whose::Unclear(none);
        }
        if self.hosts.values().any(|hosts| hosts.meet(addresses)) {
            return Whose::Ours;
        }
        if self.hosts.values().any(|hosts| hosts.has_names) {
            return Whose::Unclear(
                "it names no volume of this server, and whether its hosts are of this server cannot \
                 be told: storage hosts here have names, and Endpoints have addresses",
            );
        }
        Whose::Others
    }

    /// Its hosts are ours, and its volume is not there.
    fn of_nobody(&self, claimed: &GlusterVolume) -> Difference {
        let (name, volume) = (&claimed.name, &claimed.volume);
        let id = claimed.id.as_ref().map(|id| format!(" (id {id:?})")).unwrap_or_default();
        let text = format!(
            "PersistentVolume {name} mounts volume {volume:?}{id} of hosts of this server, which has \
             no such volume"
        );
        let mut found = difference(Kind::PersistentVolumeWithoutVolume, name, text, None);
        found.advice = if self.in_gluster.contains(volume.as_str()) {
            "gluster has a volume of this name: see volume-not-in-database, and what else is found \
             of it"
                .into()
        } else {
            "it was deleted here, or the database is older than it: look for the volume in gluster \
             and for a later backup before you delete the PersistentVolume"
                .into()
        };
        found
    }

    fn endpoints(
        &self,
        ((namespace, name), cluster): &(EndpointsName, ClusterId),
        users: &Users,
        doubts: &mut BTreeMap<&'static str, BTreeSet<String>>,
        differences: &mut Vec<Difference>,
    ) {
        let Ok(all) = &self.found.addresses else { return };
        let place = (namespace.clone(), name.clone());
        let Some(found) = all.get(&place) else { return };
        let title = format!("{namespace}/{name}");
        let is_possible = is_name(namespace) && is_name(name);
        // Anything may stand there.
        let title = if is_possible { title } else { format!("{title:?}") };
        let users_shown = several(&users.names);
        let about = format!("{title}/{cluster}");
        let Some(addresses) = found else {
            let text = format!("Endpoints {title} are not there: {users_shown} cannot be mounted");
            let mut missing = difference(Kind::EndpointsMissing, &about, text, None);
            missing.advice =
                "make Endpoints of this name with the storage hosts, and a Service of \
                              the same name without a selector, which keeps them: docs/CHECKING.md"
                    .into();
            differences.push(missing);
            return;
        };
        let none = Hosts::default();
        let hosts = self.hosts.get(cluster).unwrap_or(&none);
        let strange: Vec<_> =
            addresses.iter().filter(|a| !hosts.addresses.contains(&plain(a))).collect();
        if strange.is_empty() && !addresses.is_empty() {
            return;
        }
        if hosts.has_names && !addresses.is_empty() {
            let why = "whether the addresses in its Endpoints are those of the storage hosts cannot \
                       be told: some of these have names only";
            doubts.entry(why).or_default().extend(users.names.iter().cloned());
            return;
        }
        let text = if strange.len() == addresses.len() {
            format!(
                "Endpoints {title} have no address of a storage host of cluster {cluster}: \
                 {users_shown} cannot be mounted"
            )
        } else {
            let strange: Vec<_> = strange.iter().map(|address| address.as_str()).collect();
            format!(
                "Endpoints {title} have addresses that are of no storage host of cluster {cluster} \
                 any more: {}; {users_shown} is mounted by those that are left",
                strange.join(", ")
            )
        };
        let mut stale = difference(Kind::EndpointsStale, &about, text, None);
        stale.advice = if is_possible {
            let unsure = if users.sure { "" } else { "if it is meant to be of this server: " };
            format!(
                "{unsure}kubectl --namespace {namespace} patch endpoints {name} --patch \
                 \"$(brickyard cli volume endpoint patch {})\"",
                users.volume
            )
        } else {
            "there can be no Endpoints of this name: the PersistentVolume has to be made anew"
                .into()
        };
        differences.push(stale);
    }

    /// Volumes for clients that no `PersistentVolume` names.
    fn without(&self) -> Vec<VolumeWithout> {
        let named = &self.found.named;
        let is_named = |volume: &Volume| {
            named.contains(volume.name.as_str()) || named.contains(&volume.id.to_string())
        };
        // Both have a purpose of their own.
        let special =
            |volume: &Volume| volume.block || volume.name.as_str() == database_volume::NAME;
        let free = self.settled.values().filter(|volume| !is_named(volume) && !special(volume));
        let shown = |volume: &&Volume| VolumeWithout {
            id: volume.id,
            name: volume.name.to_string(),
            size: volume.size,
            cluster: volume.cluster,
        };
        free.map(shown).collect()
    }
}

impl Hosts {
    fn meet(&self, addresses: &BTreeSet<String>) -> bool {
        addresses.iter().any(|address| self.addresses.contains(&plain(address)))
    }
}

/// Whoever deletes the claim would delete another volume than the one that pods use.
fn mismatch(claimed: &GlusterVolume, id: VolumeId, name: &str) -> Difference {
    let (title, mounted) = (&claimed.name, &claimed.volume);
    let text =
        format!("PersistentVolume {title} mounts volume {mounted:?}, and names {name} ({id})");
    let mut found = difference(Kind::PersistentVolumeMismatch, title, text, None);
    found.advice = format!(
        "its provisioner would delete {name}, and not what is mounted: set its reclaim policy to \
         Retain until you know which of them is meant"
    );
    found
}

/// The volume in whole GiB, as provisioners order it. That of Kubernetes has for a time called the
/// same number of GiB a capacity of so many GB.
fn size(claimed: &GlusterVolume, volume: &Volume, bytes: u64) -> Option<Difference> {
    let promised = Gib(bytes.div_ceil(1 << 30));
    if promised == volume.size || volume.size.0.checked_mul(1_000_000_000) == Some(bytes) {
        return None;
    }
    let (title, name, there) = (&claimed.name, &volume.name, volume.size.0);
    let text = format!(
        "PersistentVolume {title} has a capacity of {} GiB, volume {name} has {there} GiB",
        promised.0
    );
    let mut found = difference(Kind::PersistentVolumeSize, title, text, None);
    let id = volume.id;
    found.advice = if promised > volume.size {
        format!(
            "there is less than what was promised: `volume expand --volume={id} --expand-size={}`",
            promised.0 - there
        )
    } else {
        match &claimed.claim {
            Some((namespace, claim)) => format!(
                "it was expanded here: ask for {there}Gi in claim {namespace}/{claim}, and its \
                 provisioner orders what is missing, which is nothing"
            ),
            None => "nothing is missing; its capacity can be set right by hand".into(),
        }
    };
    Some(found)
}
