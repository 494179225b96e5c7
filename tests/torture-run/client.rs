//! A client that makes, grows and deletes volumes, and looks at everything.
use crate::{
    dice::Dice,
    http::Silence,
    ledger::{Ask, End},
    run::{Followed, Run},
};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// So many volumes at once leave room on the disks, and still fill some of them.
const ENOUGH: usize = 30;
const SIZES: [u64; 12] = [1, 1, 1, 2, 2, 3, 4, 5, 7, 12, 25, 33];

pub struct Client {
    name: String,
    run: Arc<Run>,
    dice: Dice,
    volumes: u64,
}

impl Client {
    pub fn new(number: usize, run: Arc<Run>, seed: u64) -> Self {
        let name = format!("c{number}");
        let dice = Dice::new(seed, &name);
        Self { name, run, dice, volumes: 0 }
    }

    /// Does one thing after another until it is told to stop.
    pub async fn work(mut self, stop: CancellationToken) -> Self {
        while !stop.is_cancelled() {
            let full = self.run.ledger.alive() > ENOUGH;
            match self.dice.below(100) {
                0..=7 => self.look().await,
                8..=10 => self.duel(&stop).await,
                11..=13 => self.look_at_operations(&stop).await,
                14..=16 => self.resync(&stop).await,
                17..=31 => self.expand(&stop).await,
                n if n >= if full { 45 } else { 68 } => self.delete(&stop).await,
                _ => self.create(&stop).await,
            }
            tokio::time::sleep(self.dice.millis(1, 60)).await;
        }
        self
    }

    /// Now and then a client hangs up before it is answered.
    fn hang_up(&mut self) -> Option<Duration> {
        let after = self.dice.millis(1, 30);
        self.dice.percent(4).then_some(after)
    }
    /// Most clients want to know the end; some do not.
    fn is_curious(&mut self) -> bool {
        self.dice.percent(92)
    }

    /// A volume of some kind. The second answer: gluster will refuse it.
    fn volume(&mut self) -> (Value, Ask, bool) {
        let mut size = *self.dice.pick(&SIZES);
        let (mut options, mut doomed): (Vec<&str>, bool) = (vec![], false);
        let replica = |n: u64| json!({"type": "replicate", "replicate": {"replica": n}});
        let disperse =
            |d: u64, r: u64| json!({"type": "disperse", "disperse": {"data": d, "redundancy": r}});
        let durability = match self.dice.below(10) {
            0 => json!({}),
            1 | 2 => replica(2),
            3..=5 => replica(3),
            6 | 7 => {
                options.push("user.heketi.arbiter true");
                replica(3)
            }
            8 => {
                size = size.max(2);
                disperse(2, 1)
            }
            _ => {
                size = size.max(4);
                disperse(4, 2)
            }
        };
        match self.dice.below(20) {
            0 => {
                options.push("nosuch.option on");
                doomed = true;
            }
            1 | 2 => options.push("performance.cache-size 1GB"),
            3 => options.push("user.heketi.zone-checking strict"),
            _ => {}
        }
        let mut body =
            json!({"size": size, "durability": durability, "glustervolumeoptions": options});
        if self.dice.percent(20) {
            body["gid"] = json!(2000);
        }
        if self.dice.percent(10) {
            body["snapshot"] = json!({"enable": true, "factor": 1.5});
        }
        let mut name = String::new();
        if self.dice.percent(70) {
            self.volumes += 1;
            name = format!("{}-{}", self.name, self.volumes);
            body["name"] = json!(name);
            // Simulated gluster has one list of volumes for all pools: names are not used twice.
            body["clusters"] = json!([self.dice.pick(&self.run.topology.clusters).id]);
        }
        (body, Ask::Create { name, size }, doomed)
    }

    async fn create(&mut self, stop: &CancellationToken) {
        let (body, ask, doomed) = self.volume();
        let (hang_up, curious) = (self.hang_up(), self.is_curious());
        let cancel = self.dice.percent(4);
        let order = self.run.order(ask, ("POST", "/volumes"), Some(&body), hang_up).await;
        let Some(order) = order else { return };
        if cancel {
            self.cancel(order).await;
        }
        if curious {
            self.created(order, doomed, &body, stop).await;
        }
    }

    /// The volume is there as soon as the queue says so.
    async fn created(&self, order: usize, doomed: bool, body: &Value, stop: &CancellationToken) {
        let followed = self.run.follow(order, "create volume", stop).await;
        let Followed::End(End::Done(Some(location))) = followed else { return };
        if doomed {
            self.run.report.finding(format!("{location} was made, with an option gluster refuses"));
        }
        match self.run.client.must_get(&location).await {
            Ok(answer) if answer.status == 200 => {
                let shown = answer.json().unwrap_or_default();
                if shown["size"] != body["size"] {
                    self.run.report.finding(format!("{location}: {shown} is not {body}"));
                }
                let id = location.trim_start_matches("/volumes/");
                self.run.ledger.is_alive(id.to_owned());
            }
            other => self.run.report.finding(format!("{location} was made: {other:?}")),
        }
    }

    /// Two requests for the same name at the same moment.
    async fn duel(&mut self, stop: &CancellationToken) {
        let (mut body, _, doomed) = self.volume();
        self.volumes += 1;
        let name = format!("{}-{}", self.name, self.volumes);
        body["name"] = json!(name);
        body["clusters"] = json!([self.dice.pick(&self.run.topology.clusters).id]);
        let ask = || Ask::Create { name: name.clone(), size: body["size"].as_u64().unwrap() };
        let one = self.run.order(ask(), ("POST", "/volumes"), Some(&body), None);
        let other = self.run.order(ask(), ("POST", "/volumes"), Some(&body), None);
        let (one, other) = tokio::join!(one, other);
        for order in [one, other].into_iter().flatten() {
            self.created(order, doomed, &body, stop).await;
        }
    }

    async fn expand(&mut self, stop: &CancellationToken) {
        let Some(volume) = self.run.ledger.pick(&mut self.dice) else { return };
        let by = *self.dice.pick(&SIZES[..8]);
        let path = format!("/volumes/{volume}/expand");
        let (hang_up, curious) = (self.hang_up(), self.is_curious());
        let cancel = self.dice.percent(4);
        let ask = Ask::Expand { volume, by };
        let body = json!({"expand_size": by});
        let order = self.run.order(ask, ("POST", &path), Some(&body), hang_up).await;
        let Some(order) = order else { return };
        if cancel {
            self.cancel(order).await;
        }
        if curious {
            self.run.follow(order, "expand volume", stop).await;
        }
    }

    async fn delete(&mut self, stop: &CancellationToken) {
        let Some(volume) = self.run.ledger.pick(&mut self.dice) else { return };
        let path = format!("/volumes/{volume}");
        let (hang_up, curious) = (self.hang_up(), self.is_curious());
        let cancel = self.dice.percent(4);
        let ask = Ask::Delete { volume };
        let order = self.run.order(ask, ("DELETE", &path), None, hang_up).await;
        let Some(order) = order else { return };
        if cancel {
            self.cancel(order).await;
        }
        if curious
            && let Followed::End(End::Done(_)) = self.run.follow(order, "delete volume", stop).await
        {
            match self.run.client.must_get(&path).await {
                Ok(answer) if answer.status == 404 => {}
                other => self.run.report.finding(format!("{path} was deleted: {other:?}")),
            }
        }
    }

    async fn resync(&mut self, stop: &CancellationToken) {
        let device = self.dice.pick(&self.run.topology.devices()).clone();
        let path = format!("/devices/{device}/resync");
        let ask = Ask::Other("resync device");
        if let Some(order) = self.run.order(ask, ("GET", &path), None, None).await {
            self.run.follow(order, "resync device", stop).await;
        }
    }

    /// Reads something; it must be whole.
    async fn look(&mut self) {
        let topology = &self.run.topology;
        let path = match self.dice.below(6) {
            0 => "/volumes".to_owned(),
            1 => "/clusters".to_owned(),
            2 => format!("/clusters/{}", self.dice.pick(&topology.clusters).id),
            3 => {
                let nodes: Vec<_> = topology.nodes().collect();
                format!("/nodes/{}", self.dice.pick(&nodes).id)
            }
            4 => format!("/devices/{}", self.dice.pick(&topology.devices())),
            _ => match self.run.ledger.pick(&mut self.dice) {
                Some(volume) => format!("/volumes/{volume}"),
                None => return,
            },
        };
        let begun = std::time::Instant::now();
        let answer = match self.run.client.get(&path).await {
            Ok(answer) => answer,
            Err(Silence::Hangs) => return self.run.report.finding(format!("GET {path} hangs")),
            Err(_) => return,
        };
        self.run.report.took("a look", begun.elapsed());
        self.run.report.count("clients", "looked at something");
        let gone = answer.status == 404 && path.starts_with("/volumes/");
        let Some(shown) = answer.json().filter(|_| answer.status == 200) else {
            if !gone {
                self.run.report.finding(format!("GET {path}: {} {}", answer.status, answer.body));
            }
            return;
        };
        let storage = &shown["storage"];
        let number = |key: &str| storage[key].as_u64().unwrap_or_default();
        if number("total") != number("free") + number("used") {
            self.run.report.finding(format!("GET {path}: {storage} does not add up"));
        }
    }

    /// The journal, as far as this server shows it: 404 where it has no such route.
    async fn look_at_operations(&mut self, stop: &CancellationToken) {
        let path = *self.dice.pick(&["/operations", "/operations/pending"]);
        if let Ok(answer) = self.run.client.get(path).await {
            self.run.report.count("journal", format!("GET {path}: {}", answer.status));
            let whole = answer.status == 200 && answer.json().is_some();
            if !whole && answer.status != 404 {
                self.run.report.finding(format!("GET {path}: {} {}", answer.status, answer.body));
            }
            if answer.status == 200 && self.dice.percent(20) {
                let ask = Ask::Other("clean up");
                let to = ("POST", "/operations/pending/cleanup");
                if let Some(order) = self.run.order(ask, to, Some(&json!({})), None).await {
                    self.run.follow(order, "clean up", stop).await;
                }
            }
        }
    }

    /// Cancels its own operation, where the server has that route.
    async fn cancel(&self, order: usize) {
        let queue = self.run.ledger.queue_of(order);
        let path = queue.replace("/queue/", "/operations/pending/");
        let Ok(answer) = self.run.client.send("DELETE", &path, None).await else { return };
        self.run.report.count("journal", format!("cancel: {}", answer.status));
        match answer.status {
            204 => self.run.ledger.cancelled(order),
            404 | 405 | 409 | 429 | 503 => {}
            status => {
                self.run.report.finding(format!("DELETE {path}: {status} {}", answer.body));
            }
        }
    }
}
