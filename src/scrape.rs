//! One scrape: what there is and what is being done, as Prometheus reads it.
//!
//! Heketi's series have its names, labels and help (api.md 13, config.md 5); ours begin with
//! `brickyard_`. The database is asked for sums, so a scrape costs little however many volumes
//! there are.
use crate::{
    api::operation::OperationCounts,
    app::App,
    domain::Kib,
    error::{Error, Result},
    metrics::{Exposition, process},
    node::health::Health,
    store::totals::{self, ClusterTotals, DeviceTotals, NodeTotals, Totals},
};

/// The text of a scrape. When the database cannot be read, `heketi_up` is 0, and of Heketi's series
/// there is no other, as with Heketi.
///
/// # Errors
/// A series that the format does not allow, which is a defect.
pub async fn text(app: &App) -> Result<String> {
    let mut text = Exposition::default();
    let known = known(app).await;
    text.gauge("heketi_up", "Is heketi running?", f64::from(u8::from(known.is_ok())));
    match &known {
        Ok((totals, counts)) => {
            clusters(&mut text, &totals.clusters);
            devices(&mut text, &totals.nodes);
            health(&mut text, &totals.nodes, app.operations.nodes().health());
            operations(&mut text, counts);
        }
        Err(error) => tracing::error!(%error, "the metrics do without the database"),
    }
    at_work(&mut text, app);
    if app.elected {
        leads(&mut text, true);
    }
    process(&mut text);
    text.text().map_err(|error| Error::Record(error.to_string()))
}

/// Whether this server works, where several stand ready.
pub(crate) fn leads(text: &mut Exposition, works: bool) {
    text.gauge(
        "brickyard_leader",
        "Whether this server works, where several stand ready: 1, or 0 on those that stand by",
        f64::from(u8::from(works)),
    );
}

async fn known(app: &App) -> Result<(Totals, OperationCounts)> {
    let totals = totals::all(&mut *app.store.read().await?).await?;
    Ok((totals, app.operations.counts().await?))
}

/// A series of each cluster: name, help, value.
type OfCluster = (&'static str, &'static str, fn(&ClusterTotals) -> u64);

const OF_CLUSTER: [OfCluster; 3] = [
    ("heketi_nodes_count", "Number of nodes on cluster", |c| c.nodes),
    ("heketi_volumes_count", "Number of volumes on cluster", |c| c.volumes),
    ("heketi_block_volumes_count", "Number of block volumes on cluster", |c| c.block_volumes),
];

fn clusters(text: &mut Exposition, all: &[ClusterTotals]) {
    text.gauge("heketi_cluster_count", "Number of clusters", number(all.len() as u64));
    for (name, help, value) in OF_CLUSTER {
        let mut family = text.gauges(name, help);
        for cluster in all {
            family.sample(&[("cluster", &cluster.id.to_string())], number(value(cluster)));
        }
    }
}

/// A series of each device: name, help, value.
type OfDevice = (&'static str, &'static str, fn(&DeviceTotals) -> u64);

const OF_DEVICE: [OfDevice; 7] = [
    ("heketi_device_brick_count", "Number of bricks on device", |d| d.bricks),
    ("heketi_device_size", "Total size of the device", |d| size(d).0),
    ("heketi_device_free", "Amount of Free space available on the device", |d| free(d).0),
    ("heketi_device_used", "Amount of space used on the device", |d| d.used.0),
    ("heketi_device_size_bytes", "Total size of the device in bytes", |d| bytes(size(d))),
    ("heketi_device_free_bytes", "Amount of Free space available on the device in bytes", |d| {
        bytes(free(d))
    }),
    ("heketi_device_used_bytes", "Amount of space used on the device in bytes", |d| bytes(d.used)),
];

fn devices(text: &mut Exposition, nodes: &[NodeTotals]) {
    let mut family = text.gauges("heketi_device_count", "Number of devices on host");
    for node in nodes {
        let labels = [
            ("cluster", node.cluster.to_string()),
            ("hostname", node.manage.to_string()),
            ("storage_hostname", node.storage.to_string()),
        ];
        family.sample(&labels.each_ref().map(borrowed), number(node.devices.len() as u64));
    }
    for (name, help, value) in OF_DEVICE {
        let mut family = text.gauges(name, help);
        for node in nodes {
            let cluster = node.cluster.to_string();
            for device in &node.devices {
                let labels = [
                    ("cluster", cluster.as_str()),
                    ("device", device.name.as_str()),
                    ("hostname", node.manage.as_str()),
                    ("id", &device.id.to_string()),
                    ("pv_uuid", device.pv_uuid.as_str()),
                    ("storage_hostname", node.storage.as_str()),
                ];
                family.sample(&labels, number(value(device)));
            }
        }
    }
}

/// Nodes of which nothing is known have no number.
fn health(text: &mut Exposition, nodes: &[NodeTotals], health: &Health) {
    let known: Vec<_> = nodes
        .iter()
        .filter_map(|node| Some((node.cluster.to_string(), node, health.of(&node.manage)?)))
        .collect();
    let mut family = text.gauges(
        "brickyard_node_healthy",
        "Whether the node answers and its glusterd runs, as far as was seen: 1 or 0",
    );
    for (cluster, node, condition) in &known {
        let labels = [("cluster", cluster.as_str()), ("hostname", node.manage.as_str())];
        family.sample(&labels, f64::from(u8::from(condition.complaint.is_none())));
    }
    let mut family = text.gauges(
        "brickyard_node_health_changed_timestamp_seconds",
        "Since when the node is healthy or not, as far as was seen, in seconds since 1970",
    );
    for (cluster, node, condition) in &known {
        let labels = [("cluster", cluster.as_str()), ("hostname", node.manage.as_str())];
        family.sample(&labels, number(condition.since.as_second().unsigned_abs()));
    }
}

fn borrowed<'a>((name, value): &'a (&'static str, String)) -> (&'a str, &'a str) {
    (name, value.as_str())
}

fn free(device: &DeviceTotals) -> Kib {
    device.total.minus(device.used)
}

/// As `GET /devices/{id}` shows it: the sum holds also where more is used than there is.
fn size(device: &DeviceTotals) -> Kib {
    free(device).plus(device.used)
}

fn bytes(size: Kib) -> u64 {
    size.0.saturating_mul(1024)
}

fn operations(text: &mut Exposition, counts: &OperationCounts) {
    let OperationCounts { total, in_flight, stale, failed, new } = *counts;
    for (name, help, value) in [
        ("heketi_operations_total_count", "Total Number of Operations", total),
        ("heketi_operations_inFlight_count", "Number of in flight Operations", in_flight),
        ("heketi_operations_stale_count", "Number of Stale Operations", stale),
        ("heketi_operations_failed_count", "Number of Failed Operations", failed),
        ("heketi_operations_new_count", "Number of New Operations", new),
    ] {
        text.gauge(name, help, number(value));
    }
}

/// What this process knows without the database.
fn at_work(text: &mut Exposition, app: &App) {
    let at_work = app.operations.at_work();
    text.gauge(
        "brickyard_operations_waiting",
        "Operations that wait for their turn",
        number(at_work.waiting),
    );
    text.gauge(
        "brickyard_operations_working",
        "Operations that are at work at this moment",
        number(at_work.working),
    );
    app.backup.show(text);
    app.operations.times().show(text);
    app.operations.nodes().times().show(text);
    let version = env!("CARGO_PKG_VERSION");
    text.gauges("brickyard_build_info", "The version that runs, always 1")
        .sample(&[("version", version)], 1.0);
}

#[expect(clippy::cast_precision_loss, reason = "every number is a float for Prometheus")]
fn number(whole: u64) -> f64 {
    whole as f64
}
