//! Everything is at rest: do database, nodes and clients tell the same story?
use crate::{
    ledger::Shown,
    nodes::Nodes,
    run::{Run, Word, word},
    server::{self, Server},
    topology::text,
    world,
};
use sqlx::{Connection, Row, SqliteConnection, sqlite::SqliteConnectOptions};
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// Nobody helps but the server's own cleaner.
const REST: Duration = Duration::from_mins(2);
/// A request may have been on its way when the last client left.
const ROUNDS: usize = 5;

pub struct Checkpoint<'a> {
    pub run: &'a Run,
    pub nodes: &'a Nodes,
    pub folder: &'a Path,
}

impl Checkpoint<'_> {
    /// The server runs before and after it.
    pub async fn hold(&self, server: &mut Server) {
        if let Err(why) = self.compare(server).await {
            self.run.report.finding(why);
            return;
        }
        self.run.report.count("checkpoints", "passed");
    }

    async fn compare(&self, server: &mut Server) -> Result<(), String> {
        let begun = Instant::now();
        self.come_to_rest(server).await?;
        self.run.report.took("from the end of all trouble to rest", begun.elapsed());
        self.database_and_nodes().await?;
        server.start_again();
        self.run.server_started();
        server.answers().await?;
        self.queue().await?;
        let shown = self.shown().await?;
        let wrong = self.run.ledger.settle(&shown);
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
    }

    /// Waits until nothing is unfinished, and ends the server.
    async fn come_to_rest(&self, server: &mut Server) -> Result<(), String> {
        for _ in 0..ROUNDS {
            let limit = Instant::now() + REST;
            loop {
                if let Some(status) = server.died() {
                    return Err(format!("the server ended by itself: {status}"));
                }
                let unfinished = self.unfinished().await?;
                if unfinished.is_empty() && !self.nodes.at_work() {
                    break;
                }
                if Instant::now() > limit {
                    let at_work = self.nodes.at_work();
                    let list = unfinished.join("\n");
                    return Err(format!("no rest in {REST:?}; nodes at work: {at_work}\n{list}"));
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            server.ask_to_end().await;
            server.ended().await?;
            if self.unfinished().await?.is_empty() && !self.nodes.at_work() {
                return Ok(());
            }
            server.start_again();
            self.run.server_started();
            server.answers().await?;
        }
        Err("there is always something new to do".into())
    }

    async fn open(&self) -> Result<SqliteConnection, String> {
        let options = SqliteConnectOptions::new()
            .filename(server::database(self.folder))
            .busy_timeout(Duration::from_secs(30));
        SqliteConnection::connect_with(&options).await.map_err(|e| format!("database: {e}"))
    }

    /// Operations that are not at rest, with their steps.
    async fn unfinished(&self) -> Result<Vec<String>, String> {
        let mut db = self.open().await?;
        let question = "SELECT o.id, o.kind, o.state, o.attempt, coalesce(o.error, '') AS error, \
             coalesce((SELECT group_concat(json_extract(s.step, '$.step') || ' ' || s.state, ', ') \
             FROM operation_steps s WHERE s.operation = o.id), '') AS steps \
             FROM operations o WHERE o.finished_at IS NULL";
        let rows = sqlx::query(question).fetch_all(&mut db).await.map_err(|e| e.to_string())?;
        db.close().await.map_err(|e| e.to_string())?;
        let line = |row: &sqlx::sqlite::SqliteRow| {
            let word = |name: &str| row.get::<String, _>(name);
            let (id, kind, state, error) = (word("id"), word("kind"), word("state"), word("error"));
            let attempt: i64 = row.get("attempt");
            format!("{id} {kind}: {state}, attempt {attempt}, {error} [{}]", word("steps"))
        };
        Ok(rows.iter().map(line).collect())
    }

    async fn database_and_nodes(&self) -> Result<(), String> {
        let mut db = self.open().await?;
        for question in ["PRAGMA integrity_check", "PRAGMA foreign_key_check"] {
            let rows = sqlx::query(question).fetch_all(&mut db).await.map_err(|e| e.to_string())?;
            let ok = |row: &sqlx::sqlite::SqliteRow| row.get::<String, _>(0) == "ok";
            if !rows.iter().all(ok) {
                return Err(format!("{question} finds {} faults", rows.len()));
            }
        }
        let world = self.nodes.sim.world().clone();
        world::check(&mut db, &world).await?;
        db.close().await.map_err(|e| e.to_string())
    }

    /// Every accepted operation has an end that can be asked for, and keeps it.
    async fn queue(&self) -> Result<(), String> {
        let client = &self.run.client;
        for (order, queue) in self.run.ledger.accepted_orders() {
            match word(&client.must_get(&queue).await?) {
                Ok(Word::End(end)) => self.run.ledger.ended(order, &end)?,
                Ok(_) => return Err(format!("{queue} is at rest, and not at its end")),
                Err(why) => return Err(format!("{queue}: {why}")),
            }
        }
        for (queue, told) in self.run.ledger.told() {
            match word(&client.must_get(&queue).await?) {
                Ok(Word::End(end)) if end == told => {}
                Ok(_) => return Err(format!("{queue} once answered {told:?}")),
                Err(why) => return Err(format!("{queue}: {why}")),
            }
        }
        Ok(())
    }

    async fn shown(&self) -> Result<Vec<Shown>, String> {
        let client = &self.run.client;
        let list = client.must_get("/volumes").await?.json().unwrap_or_default();
        let mut shown = vec![];
        for id in list["volumes"].as_array().ok_or("no list of volumes")? {
            let id = id.as_str().unwrap_or_default().to_owned();
            let answer = client.must_get(&format!("/volumes/{id}")).await?;
            let Some(volume) = answer.json().filter(|_| answer.status == 200) else {
                return Err(format!("volume {id} is listed: {} {}", answer.status, answer.body));
            };
            let (cluster, name) = (text(&volume, "cluster"), text(&volume, "name"));
            let size = volume["size"].as_u64().unwrap_or_default();
            shown.push(Shown { id, cluster, name, size });
        }
        Ok(shown)
    }
}
