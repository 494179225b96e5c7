//! A client that does as Heketi's do: it sends, is told where to ask, and asks until there is an end.
use crate::measure::Sample;
use futures_util::{StreamExt, stream};
use reqwest::{Method, StatusCode, redirect::Policy};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

/// Between two questions, where nothing is timed.
const PAUSE: Duration = Duration::from_millis(5);

/// Nodes and devices of a topology, in three zones.
#[derive(Clone, Copy)]
pub struct Estate {
    pub nodes: usize,
    pub devices: usize,
}

/// A device with the ids of its bricks.
pub struct Device {
    pub id: String,
    pub bricks: Vec<String>,
}

/// What many clients did together.
pub struct Many {
    /// Volumes in a second.
    pub rate: f64,
    /// What the quickest client made, over what the slowest made.
    pub unfair: f64,
}

#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
}

impl Client {
    pub fn new(url: &str) -> Self {
        let http = reqwest::Client::builder().redirect(Policy::none()).no_proxy();
        Self { http: http.build().unwrap(), url: url.into() }
    }

    async fn get(&self, path: &str) -> (StatusCode, Option<String>, Vec<u8>) {
        let answer = self.http.get(format!("{}{path}", self.url)).send().await.unwrap();
        let to = answer.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
        (answer.status(), to, answer.bytes().await.unwrap().into())
    }
    async fn read(&self, path: &str) -> Value {
        let (status, _, body) = self.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        serde_json::from_slice(&body).unwrap()
    }

    /// Sends a request and waits for its end: the answer itself, or where the result is.
    async fn perform(&self, method: Method, path: &str, body: &Value, pause: Duration) -> Value {
        let queue = loop {
            let request = self.http.request(method.clone(), format!("{}{path}", self.url));
            let answer = request.body(body.to_string()).send().await.unwrap();
            match answer.status() {
                StatusCode::ACCEPTED => {
                    break answer.headers()["location"].to_str().unwrap().to_owned();
                }
                StatusCode::CREATED => {
                    return serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
                }
                // More than the server takes at once: as it asks for.
                StatusCode::TOO_MANY_REQUESTS => tokio::time::sleep(pause).await,
                other => panic!("{path}: {other} {}", answer.text().await.unwrap()),
            }
        };
        loop {
            match self.get(&queue).await {
                (StatusCode::OK, ..) => tokio::time::sleep(pause).await,
                (StatusCode::SEE_OTHER, Some(to), _) => return to.into(),
                (StatusCode::NO_CONTENT, ..) => return Value::Null,
                (other, _, body) => panic!("{path}: {other} {}", String::from_utf8_lossy(&body)),
            }
        }
    }

    /// Adds nodes, and devices 32 at a time.
    pub async fn load(&self, estate: Estate) {
        let pause = PAUSE;
        let all = json!({"file": true, "block": true});
        let cluster = self.perform(Method::POST, "/clusters", &all, pause).await;
        let cluster = cluster["id"].as_str().unwrap().to_owned();
        let mut nodes: Vec<String> = vec![];
        // One at a time: they join one pool.
        for n in 0..estate.nodes {
            let names = json!({"manage": [format!("m{n}")], "storage": [format!("s{n}")]});
            let body = json!({"cluster": cluster, "zone": n % 3 + 1, "hostnames": names});
            let made = self.perform(Method::POST, "/nodes", &body, Duration::ZERO).await;
            nodes.push(made.as_str().unwrap().rsplit('/').next().unwrap().to_owned());
        }
        let device = |at: usize| {
            let name = format!("/dev/disk{}", at / nodes.len());
            let body = json!({"node": nodes[at % nodes.len()], "name": name});
            async move { self.perform(Method::POST, "/devices", &body, pause).await }
        };
        let devices = stream::iter(0..estate.nodes * estate.devices).map(device);
        devices.buffer_unordered(32).for_each(async |_| ()).await;
    }

    fn volume() -> Value {
        json!({"size": 1, "durability": {"type": "replicate", "replicate": {"replica": 3}}})
    }

    /// One after another, each from its request to the end that is told.
    pub async fn creates(&self, times: usize) -> Sample {
        let (mut sample, body) = (Sample::default(), Self::volume());
        for _ in 0..times {
            let begun = Instant::now();
            // Asked again at once: a pause would be measured as well.
            self.perform(Method::POST, "/volumes", &body, Duration::ZERO).await;
            sample.add(begun.elapsed());
        }
        sample
    }

    /// So many volumes by so many clients.
    pub async fn create_many(&self, volumes: usize, clients: usize) -> Many {
        let (left, begun) = (Arc::new(AtomicUsize::new(volumes)), Instant::now());
        let client = |_| {
            let (client, left, body) = (self.clone(), left.clone(), Self::volume());
            tokio::spawn(async move {
                let mut made = 0_u32;
                while left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok() {
                    let pause = Duration::from_millis(2);
                    client.perform(Method::POST, "/volumes", &body, pause).await;
                    made += 1;
                }
                made
            })
        };
        let working: Vec<_> = (0..clients).map(client).collect();
        let mut made = vec![];
        for client in working {
            made.push(client.await.unwrap());
        }
        let total: u32 = made.iter().sum();
        let rate = f64::from(total) / begun.elapsed().as_secs_f64();
        let (least, most) = (made.iter().min().unwrap(), made.iter().max().unwrap());
        Many { rate, unfair: f64::from(*most) / f64::from(*least) }
    }

    /// The first device of the node that has bricks.
    pub async fn device_of(&self, node: &str) -> Device {
        let info = self.read(&format!("/nodes/{node}")).await;
        for device in info["devices"].as_array().unwrap() {
            let device = self.device(device["id"].as_str().unwrap()).await;
            if !device.bricks.is_empty() {
                return device;
            }
        }
        panic!("{node} has no bricks");
    }
    pub async fn device(&self, id: &str) -> Device {
        let info = self.read(&format!("/devices/{id}")).await;
        let bricks = info["bricks"].as_array().unwrap();
        let bricks = bricks.iter().map(|brick| brick["id"].as_str().unwrap().to_owned()).collect();
        Device { id: id.into(), bricks }
    }
    pub async fn add_device(&self, node: &str, name: &str) {
        let body = json!({"node": node, "name": name});
        self.perform(Method::POST, "/devices", &body, PAUSE).await;
    }
    pub async fn set_state(&self, device: &str, state: &str) {
        let path = format!("/devices/{device}/state");
        self.perform(Method::POST, &path, &json!({"state": state}), PAUSE).await;
    }
    pub async fn evict(&self, brick: &str) {
        let path = format!("/bricks/to-evict/{brick}");
        self.perform(Method::POST, &path, &json!({"healcheck": "enable"}), PAUSE).await;
    }

    pub async fn ids(&self, what: &str) -> Vec<String> {
        if what == "nodes" {
            let cluster = self.read("/clusters").await["clusters"][0].take();
            let path = format!("/clusters/{}", cluster.as_str().unwrap());
            let nodes = self.read(&path).await["nodes"].take();
            return serde_json::from_value(nodes).unwrap();
        }
        serde_json::from_value(self.read(&format!("/{what}")).await[what].take()).unwrap()
    }
    /// Evenly from all of them.
    pub async fn get_each(&self, what: &str, ids: &[String], times: usize) -> Sample {
        let mut sample = Sample::default();
        for n in 0..times {
            let id = &ids[n * ids.len() / times];
            let begun = Instant::now();
            self.read(&format!("/{what}/{id}")).await;
            sample.add(begun.elapsed());
        }
        sample
    }
    pub async fn gets(&self, path: &str, times: usize) -> Sample {
        let mut sample = Sample::default();
        for _ in 0..times {
            let begun = Instant::now();
            let (status, _, body) = self.get(path).await;
            sample.add(begun.elapsed());
            assert!(status == StatusCode::OK && !body.is_empty(), "{path}: {status}");
        }
        sample
    }
}
