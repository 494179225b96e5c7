//! Kubernetes' own provisioner `kubernetes.io/glusterfs`, in a real control plane, makes, grows and
//! deletes volumes of a real server on simulated nodes, and the server is killed meanwhile.
//!
//! Run by `tests/kube/run`, which finds the control plane.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    unreachable_pub,
    reason = "a run that cannot go on fails, and what it prints is its report"
)]
#[expect(dead_code, reason = "other tests need other parts of it")]
mod control_plane;
#[path = "provisioner/manual.rs"]
mod manual;
#[path = "provisioner/nodes.rs"]
mod nodes;
#[path = "provisioner/objects.rs"]
mod objects;
#[path = "../operations/rest.rs"]
mod rest;
#[path = "provisioner/server.rs"]
mod server;
#[expect(dead_code, reason = "the newest operation is a question of other tests")]
#[path = "../operations/world.rs"]
mod world;

use control_plane::ControlPlane;
use manual::Desk;
use objects::{Made, Objects};
use serde_json::{Value, json};
use server::Server;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

const ADMIN_KEY: &str = "the admin of the test";
const USER_KEY: &str = "the user of the test";
/// Enough for disperse 4+2, and for zones.
const NODES: usize = 6;
const MANY: usize = 100;
/// For all of them, on a machine that has more to do; a calm one needs a fifth.
const SENSIBLE: Duration = Duration::from_secs(90);
/// So many of them are deleted while the server is killed, and twice as many made.
const KEPT: usize = 15;
/// Commands after which the nodes stop, in the round of each kill: at different places of
/// operations, and with ever more volumes finished before.
const KILLS: [usize; 3] = [7, 60, 150];
/// The server is killed when so many operations are under way.
const UNDER_WAY: i64 = 3;
/// Claims of which one will not have been heard of when the server dies.
const TRIES: usize = 20;
const PATIENCE: Duration = Duration::from_mins(1);

/// A class with what its volumes must be like: claimed size, parts of `durability`, bricks.
struct Kind {
    class: &'static str,
    gib: u64,
    durability: Value,
    bricks: usize,
}

fn main() -> ExitCode {
    let Some(assets) = control_plane::assets() else {
        eprintln!("provisioner: {} is not set: tests/kube/run does it", control_plane::ASSETS);
        return ExitCode::FAILURE;
    };
    let begun = Instant::now();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(Run::lead(assets));
    println!("provisioner: everything held: {:.1} s", begun.elapsed().as_secs_f64());
    ExitCode::SUCCESS
}

/// Runs one part and tells how long it took.
async fn timed<T>(what: &str, work: impl Future<Output = T>) -> T {
    let begun = Instant::now();
    let result = work.await;
    println!("provisioner: {what}: {:.1} s", begun.elapsed().as_secs_f64());
    result
}

fn kinds() -> Vec<Kind> {
    let replicate = |n: u64| json!({"type": "replicate", "replicate": {"replica": n}});
    let kind = |class, gib, durability, bricks| Kind { class, gib, durability, bricks };
    vec![
        kind("glusterfs", 1, replicate(3), 3),
        kind("glusterfs-replica2", 1, replicate(2), 2),
        kind("glusterfs-none", 1, json!({"type": "none"}), 1),
        kind("glusterfs-arbiter", 2, replicate(3), 3),
        kind(
            "glusterfs-disperse",
            4,
            json!({"type": "disperse", "disperse": {"data": 4, "redundancy": 2}}),
            6,
        ),
    ]
}

fn numbered(name: &str, numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|n| format!("{name}-{n}")).collect()
}

struct Run {
    plane: ControlPlane,
    objects: Objects,
    assets: PathBuf,
    /// With the admin's key.
    server: Server,
    /// Everybody may do everything.
    open: Server,
}

impl Run {
    async fn lead(assets: PathBuf) {
        let plane = timed("control plane ready", ControlPlane::start(&assets)).await;
        let objects = Objects::new(&plane.client().await);
        timed("docs/KUBERNETES.md followed", follow(&plane, &assets)).await;
        let (server, open) = timed("two servers with their nodes", async {
            let kubeconfig = || plane.kubeconfig();
            let server = Server::start("auth", NODES, Some(ADMIN_KEY), kubeconfig()).await;
            (server, Server::start("open", 3, None, kubeconfig()).await)
        })
        .await;
        let mut run = Self { plane, objects, assets, server, open };
        run.classes().await;
        timed("a Secret with the wrong key, mended", run.wrong_key()).await;
        let kinds = timed("claims of each class", run.each_kind()).await;
        timed("claims grow", run.grow(&kinds)).await;
        timed("drift is found, and put right as advised", run.check_finds()).await;
        timed("claims of each class deleted", run.delete_all()).await;
        timed("classes that cannot be", run.bad_classes()).await;
        run.many().await;
        run.killed().await;
        timed("killed before the provisioner has heard of a volume", run.of_nobody()).await;
        timed("the last claims deleted", run.delete_all()).await;
    }

    /// Every class of k8s/, for the server that it is meant for.
    async fn classes(&self) {
        let kubeconfig = || self.plane.kubeconfig();
        let desk = Desk::new(&self.server, "desk", &self.assets, kubeconfig());
        let open = Desk::new(&self.open, "desk", &self.assets, kubeconfig());
        let free = "storage-class-no-auth.yaml";
        let mut applied = 0;
        for manifest in desk.manifests("storage-class") {
            let desk = if manifest == free { &open } else { &desk };
            // A class that is there already, from the document, names another server.
            let script = format!("kubectl replace --force -f k8s/{manifest}");
            desk.run(&script, [ADMIN_KEY, USER_KEY]).await;
            applied += 1;
        }
        assert_eq!(applied, kinds().len() + 1, "each class has its test");
    }

    /// The provisioner is refused until the key is right, and then goes on by itself.
    async fn wrong_key(&self) {
        let desk = Desk::new(&self.server, "keys", &self.assets, self.plane.kubeconfig());
        let keys = "kubectl create secret generic brickyard-keys --type=kubernetes.io/glusterfs \
             --from-literal=key=\"$HEKETI_ADMIN_KEY\" --dry-run=client -o yaml | kubectl replace -f -";
        desk.run(keys, ["of somebody else", USER_KEY]).await;
        self.objects.claim("locked", "glusterfs", 1).await;
        let told = self.objects.failure("locked").await;
        println!("provisioner:   event: {told}");
        assert_eq!(self.server.volumes().await, BTreeMap::new());
        desk.run(keys, [ADMIN_KEY, USER_KEY]).await;
        self.objects.bound(&["locked".into()]).await;
        self.agrees().await;
    }

    async fn each_kind(&self) -> Vec<(Kind, Made)> {
        let mut kinds = kinds();
        for kind in &kinds {
            self.objects.claim(kind.class, kind.class, kind.gib).await;
        }
        self.objects.claim("open", "glusterfs-no-auth", 1).await;
        let mut names: Vec<String> = kinds.iter().map(|kind| kind.class.into()).collect();
        names.push("open".into());
        let mut made = self.objects.bound(&names).await;
        let open = made.remove("open").unwrap();
        let volume = self.open.volume(&open.volume).await;
        assert_eq!(
            (&volume["size"], &volume["durability"]["type"]),
            (&json!(1), &json!("replicate"))
        );
        let mut all = vec![];
        for kind in kinds.drain(..) {
            let made = made.remove(kind.class).unwrap();
            let volume = self.server.volume(&made.volume).await;
            self.is_of(&kind, &made, &volume);
            all.push((kind, made));
        }
        self.agrees().await;
        all
    }

    fn is_of(&self, kind: &Kind, made: &Made, volume: &Value) {
        let class = kind.class;
        assert_eq!((made.gib, &volume["size"]), (kind.gib, &json!(kind.gib)), "{class}");
        assert_eq!(volume["name"], made.path.as_str(), "{class}");
        assert_eq!(volume["bricks"].as_array().unwrap().len(), kind.bricks, "{class}");
        for (part, wanted) in kind.durability.as_object().unwrap() {
            assert_eq!(volume["durability"][part], *wanted, "{class}: {part}");
        }
        let world = self.server.nodes.sim.world();
        let there = world.volumes.iter().find(|v| v.name == made.path).unwrap();
        let arbiter = there.kind.join(" ") == "replica 3 arbiter 1";
        assert_eq!(arbiter, class == "glusterfs-arbiter", "{class}: {:?}", there.kind);
    }

    /// To twice the size: the least that each of them can grow by is what it began with.
    async fn grow(&self, kinds: &[(Kind, Made)]) {
        let open = ("open", 1);
        let all = kinds.iter().map(|(kind, _)| (kind.class, kind.gib)).chain([open]);
        for (claim, gib) in all.clone() {
            self.objects.expand(claim, gib * 2).await;
        }
        for (claim, gib) in all {
            self.objects.grown(claim, gib * 2).await;
        }
        self.agrees().await;
    }

    async fn delete_all(&self) {
        let made = self.objects.made().await;
        self.objects.delete(&self.objects.names().await).await;
        self.objects.gone(&made).await;
        assert_eq!(self.objects.made().await, []);
        self.agrees().await;
    }

    /// What cannot be made is told in an event, and leaves nothing. The event refers to a log: the
    /// server's words are in that of the controller manager, and in the server's own.
    async fn bad_classes(&self) {
        let disperse = json!({"volumetype": "disperse:8:3"});
        let cases = [
            ("bad-cluster", 1, json!({"clusterid": "0".repeat(32)}), "not found"),
            ("bad-replica", 1, json!({"volumetype": "replicate:7"}), "Invalid replica value"),
            ("bad-nodes", 8, disperse, "No space"),
            ("bad-option", 1, json!({"volumeoptions": "no.such-option 1"}), "no.such-option"),
        ];
        let client = self.plane.client().await;
        let classes = kube::Api::all(client);
        for (name, gib, parameters, reason) in &cases {
            let mut class = json!({
                "metadata": {"name": name},
                "provisioner": "kubernetes.io/glusterfs",
                "parameters": {"resturl": self.server.url(), "restuser": "admin",
                    "secretNamespace": "default", "secretName": "brickyard-keys"},
            });
            for (key, value) in parameters.as_object().unwrap() {
                class["parameters"][key] = value.clone();
            }
            let class: k8s_openapi::api::storage::v1::StorageClass =
                serde_json::from_value(class).unwrap();
            classes.create(&kube::api::PostParams::default(), &class).await.unwrap();
            self.objects.claim(name, name, *gib).await;
            let event = self.objects.failure(name).await;
            assert!(event.contains(&format!("StorageClass \"{name}\"")), "{event}");
            let provisioner = self.plane.log("kube-controller-manager");
            for log in [provisioner, self.server.log()] {
                let told = log.lines().any(|line| line.contains(reason));
                assert!(told, "{name}: {reason:?} is not told in\n{log}");
            }
        }
        let desk = Desk::new(&self.server, "pending", &self.assets, self.plane.kubeconfig());
        let [describe, tidy] = manual::scripts("A claim that stays Pending");
        let shown = desk.run(&describe.replace("NAME", cases[0].0), [ADMIN_KEY, USER_KEY]).await;
        assert!(
            shown.contains("failed to create volume: see kube-controller-manager.log"),
            "{shown}"
        );
        self.objects
            .delete(&cases.iter().map(|(name, ..)| (*name).to_owned()).collect::<Vec<_>>())
            .await;
        // Made before the volume is ordered, and forgotten by Kubernetes when it cannot be had; a last
        // attempt may make them once more.
        let limit = Instant::now() + PATIENCE;
        while self.objects.dynamic().await != Default::default() {
            assert!(Instant::now() < limit, "Endpoints and Services of no claim stay");
            for (name, ..) in &cases {
                desk.run(&tidy.replace("NAME", name), [ADMIN_KEY, USER_KEY]).await;
            }
        }
        self.agrees().await;
        assert_eq!(self.server.volumes().await, BTreeMap::new());
    }

    async fn many(&self) {
        let names = numbered("many", 0..MANY);
        let begun = Instant::now();
        timed(&format!("{MANY} claims at once"), async {
            for name in &names {
                self.objects.claim(name, "glusterfs", 1).await;
            }
            self.objects.bound(&names).await;
        })
        .await;
        assert!(begun.elapsed() < SENSIBLE, "{MANY} claims have taken {:?}", begun.elapsed());
        timed("database, nodes and Kubernetes compared", self.agrees()).await;
        timed(&format!("{} of them deleted", MANY - KEPT), async {
            let made = self.objects.made().await;
            let deleted: BTreeSet<_> = names[KEPT..].iter().cloned().collect();
            self.objects.delete(&names[KEPT..]).await;
            self.objects.gone(made.iter().filter(|made| deleted.contains(&made.claim))).await;
        })
        .await;
        self.agrees().await;
    }

    /// In each round claims are made and others deleted, and the server dies of SIGKILL while nodes
    /// are at work.
    async fn killed(&mut self) {
        let old = self.objects.made().await;
        let (make, delete) = (KEPT * 2 / KILLS.len(), KEPT / KILLS.len());
        let begun = Instant::now();
        for (round, commands) in KILLS.into_iter().enumerate() {
            let what = format!("killed after {commands} commands, and started again");
            self.server.nodes.hold_after(commands);
            for name in numbered("new", round * make..(round + 1) * make) {
                self.objects.claim(&name, "glusterfs", 1).await;
            }
            self.objects.delete(&numbered("many", round * delete..(round + 1) * delete)).await;
            timed(&what, self.kill_in_the_middle(round)).await;
        }
        let new = numbered("new", 0..make * KILLS.len());
        self.objects.bound(&new).await;
        self.objects.gone(&old).await;
        let said = "all claims made and deleted after all";
        println!("provisioner: {said}: {:.1} s", begun.elapsed().as_secs_f64());
        let claims: BTreeSet<_> = self.objects.made().await.into_iter().map(|m| m.claim).collect();
        assert_eq!(claims, new.into_iter().collect::<BTreeSet<_>>());
        timed("database, nodes and Kubernetes compared", self.agrees()).await;
    }

    /// The provisioner asks once a second whether a volume is made, and gives up when nobody answers:
    /// what was made before the kill and not asked for until then is nobody's, whoever the server
    /// is. So the nodes stand still until it knows all that is made, while others are half made.
    async fn kill_in_the_middle(&mut self, round: usize) {
        let limit = Instant::now() + PATIENCE;
        let mut before = vec![];
        loop {
            let (held, unfinished) = (self.server.nodes.held(), self.server.unfinished().await);
            let known: BTreeSet<_> =
                self.objects.made().await.into_iter().map(|made| made.volume).collect();
            let volumes = self.server.ids().await;
            // What has passed the gate before it closed is done by the second look.
            let still = std::mem::replace(&mut before, volumes.clone()) == volumes;
            let at_work = held > 0 && still && unfinished >= UNDER_WAY;
            if at_work && volumes.iter().all(|volume| known.contains(volume)) {
                println!(
                    "provisioner:   {unfinished} operations under way, {held} commands on nodes"
                );
                break;
            }
            assert!(Instant::now() < limit, "{held} commands held, {known:?}, {volumes:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        self.server.kill().await;
        // What the dead server has sent goes on before the next one starts, or while it recovers.
        if round.is_multiple_of(2) {
            self.server.nodes.go_on();
            self.server.start_again().await;
        } else {
            self.server.start_again().await;
            self.server.nodes.go_on();
        }
    }

    /// What the provisioner gives up when the server dies before it has heard of it: the document's
    /// command finds it, and nothing else.
    async fn of_nobody(&mut self) {
        let desk = Desk::new(&self.server, "nobody", &self.assets, self.plane.kubeconfig());
        let mut login = String::new();
        for (name, value) in self.server.variables() {
            login.extend(["export ", name, "='", &value, "'\n"]);
        }
        let [command] = manual::scripts("When the server dies");
        let command = login + &command;
        assert_eq!(desk.run(&command, [ADMIN_KEY, USER_KEY]).await, "");
        let mut given_up = None;
        for claim in numbered("late", 0..TRIES) {
            let before = self.server.finished_volumes().await;
            self.objects.claim(&claim, "glusterfs", 1).await;
            let made = loop {
                let now = self.server.finished_volumes().await;
                if let Some(made) = now.difference(&before).next() {
                    break made.clone();
                }
            };
            self.server.kill().await;
            let unheard = !self.objects.is_bound(&claim).await;
            self.server.start_again().await;
            self.objects.bound(std::slice::from_ref(&claim)).await;
            if unheard {
                given_up = Some(made);
                break;
            }
        }
        let given_up = given_up.unwrap_or_else(|| panic!("it has heard of all {TRIES} in time"));
        let shown = desk.run(&command, [ADMIN_KEY, USER_KEY]).await;
        assert_eq!(shown, format!("vol_{given_up}\n"));
        let report = self.server.check().await;
        let without = &report["persistent_volumes"]["volumes_without"];
        assert_eq!((without[0]["id"].as_str(), &without[1]), (Some(&*given_up), &Value::Null));
        self.server.cli(&["volume", "delete", &given_up]).await;
        self.agrees().await;
    }

    /// Every volume of Brickyard is one of Kubernetes, of the same size, reachable; and database and
    /// nodes agree.
    async fn agrees(&self) {
        self.server.agrees_with_nodes().await;
        self.open.agrees_with_nodes().await;
        let made = self.objects.made().await;
        let mut volumes = self.server.volumes().await;
        let open = self.open.volumes().await;
        let addresses = [self.server.nodes.addresses(), self.open.nodes.addresses()];
        for made in &made {
            let addresses = &addresses[usize::from(open.contains_key(&made.volume))];
            self.objects.is_reachable(made, addresses).await;
        }
        volumes.extend(open);
        let of_kubernetes: BTreeMap<_, _> =
            made.iter().map(|made| (made.volume.clone(), made.gib)).collect();
        assert_eq!(of_kubernetes.len(), made.len(), "a volume is there twice: {made:#?}");
        assert_eq!(volumes, of_kubernetes, "volumes of Brickyard and of Kubernetes");
        let names: BTreeSet<_> = made.into_iter().map(|made| made.endpoints).collect();
        let dynamic = self.objects.dynamic().await;
        assert_eq!(dynamic, (names.clone(), names), "Endpoints and Services");
        self.check_agrees().await;
    }

    /// `check` says the same of the real `PersistentVolumes`. Both servers' nodes have the same
    /// addresses, as no two servers' have: so it takes those of the other server for its own.
    async fn check_agrees(&self) {
        let (report, made) = (self.server.check().await, self.objects.made().await);
        let shown = &report["persistent_volumes"];
        let ours = self.server.volumes().await;
        let others = made.iter().filter(|made| !ours.contains_key(&made.volume));
        let kind = "persistent-volume-without-volume";
        let wanted: BTreeSet<_> = others.map(|made| format!("{kind}/{}", made.name)).collect();
        let found = report["differences"].as_array().unwrap().iter();
        let found: BTreeSet<_> = found.map(|d| d["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(found, wanted, "{report:#}");
        assert_eq!(shown["compared"].as_u64(), u64::try_from(made.len()).ok(), "{shown:#}");
        assert_eq!((&shown["volumes_without"], &shown["under_way"]), (&json!([]), &json!(0)));
    }

    /// Drift of real `PersistentVolumes` is found, and what is advised puts it right.
    async fn check_finds(&self) {
        let desk = Desk::new(&self.server, "drift", &self.assets, self.plane.kubeconfig());
        let mut login = String::new();
        for (name, value) in self.server.variables() {
            login.extend(["export ", name, "='", &value, "'\n"]);
        }
        let run = async |script: &str| {
            desk.run(&(login.clone() + script), [ADMIN_KEY, USER_KEY]).await;
        };
        let only = async |kind: &str| {
            let report = self.server.check().await;
            let found = report["differences"].as_array().unwrap().iter();
            let found: Vec<_> = found
                .filter(|d| d["kind"] != "persistent-volume-without-volume")
                .map(|d| (d["kind"].clone(), d["advice"].as_str().unwrap().to_owned()))
                .collect();
            assert_eq!(found.len(), 1, "{report:#}");
            assert_eq!(found[0].0, kind, "{report:#}");
            found[0].1.clone()
        };
        let made = self.objects.made().await;
        let ours = self.server.volumes().await;
        let one = made.iter().find(|made| ours.contains_key(&made.volume)).unwrap();
        // A node was replaced, and nobody told Kubernetes.
        let (endpoints, id) = (&one.endpoints, &one.volume);
        let subsets = r#"{"subsets":[{"addresses":[{"ip":"192.0.2.1"}],"ports":[{"port":1}]}]}"#;
        run(&format!("kubectl patch endpoints {endpoints} --patch '{subsets}'")).await;
        let advice = only("endpoints-stale").await;
        run(&advice).await;
        // They are deleted, and made anew as the document says.
        run(&format!("kubectl delete --ignore-not-found service,endpoints {endpoints}")).await;
        only("endpoints-missing").await;
        run(&anew().replace("NAMESPACE", "default").replace("NAME", endpoints)).await;
        let advice = only("endpoints-stale").await;
        run(&advice).await;
        self.agrees().await;
        // Somebody expands a volume behind the back of Kubernetes.
        let size = ours[id];
        let expand = format!("--expand-size={size}");
        self.server.cli(&["volume", "expand", &format!("--volume={id}"), &expand]).await;
        let advice = only("persistent-volume-size").await;
        assert!(advice.contains(&format!("ask for {}Gi in claim default/", size * 2)), "{advice}");
        self.objects.expand(&one.claim, size * 2).await;
        self.objects.grown(&one.claim, size * 2).await;
        self.agrees().await;
    }
}

/// The commands of docs/CHECKING.md that make Endpoints anew.
fn anew() -> String {
    const DOCUMENT: &str = include_str!("../../docs/CHECKING.md");
    let from = DOCUMENT.find("    kubectl --namespace NAMESPACE create service").unwrap();
    let lines = DOCUMENT[from..].lines().map_while(|line| line.strip_prefix("    "));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// What the document says is done with a server of its own, which begins without nodes.
async fn follow(plane: &ControlPlane, assets: &Path) {
    let server = Server::without_topology("document", 0, Some(ADMIN_KEY), plane.kubeconfig());
    let server = server.await;
    let desk = Desk::new(&server, "desk", assets, plane.kubeconfig());
    let commands = desk.follow([ADMIN_KEY, USER_KEY]).await;
    println!("provisioner:   {commands} commands");
    assert_eq!(server.volumes().await, BTreeMap::new());
    // Its claim for a database waits for a class of the cluster.
    desk.run("kubectl delete -k k8s/overlays/ssh", [ADMIN_KEY, USER_KEY]).await;
}
