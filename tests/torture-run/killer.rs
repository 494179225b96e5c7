//! Ends the server at moments that are counted in commands and faults of nodes, and starts it again
//! at once.
use crate::{dice::Dice, nodes::Nodes, run::Run, server::Server};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// Nodes may be asked for nothing for a while: it is killed all the same.
const AT_THE_LATEST: Duration = Duration::from_secs(6);

pub struct Killer {
    pub run: Arc<Run>,
    pub nodes: Arc<Nodes>,
    pub dice: Dice,
    pub server: Server,
    /// The disk of the database does not always outlive the server.
    pub disk_lost: bool,
}

impl Killer {
    /// Until it is told to stop, or the server does what it must not.
    pub async fn work(mut self, stop: CancellationToken) -> Self {
        while !stop.is_cancelled() {
            if !self.wait(&stop).await {
                break;
            }
            if let Err(why) = self.end().await {
                self.run.report.finding(why);
                break;
            }
            if self.disk_lost && self.dice.percent(50) {
                self.run.report.count("server ended", "and its disk was lost");
                self.server.lose_disk();
            }
            self.server.start_again();
            self.run.server_started();
            // Some servers do not even get as far as listening.
            if self.dice.percent(10) {
                sleep(self.dice.millis(1, 60)).await;
                self.kill("SIGKILL while it started").await;
                self.server.start_again();
                self.run.server_started();
            }
            match self.server.answers().await {
                Ok(time) => self.run.report.took("a start until the first answer", time),
                Err(why) => {
                    self.run.report.finding(why);
                    break;
                }
            }
        }
        self
    }

    /// So many more commands, or so many more faults; false when the run stops first.
    async fn wait(&mut self, stop: &CancellationToken) -> bool {
        // Right after a fault most depends on what was written down.
        let after_fault = self.dice.percent(40);
        let count = |nodes: &Nodes| if after_fault { nodes.faults() } else { nodes.commands() };
        let more = if after_fault { self.dice.spread(1, 8) } else { self.dice.spread(4, 4000) };
        let until = count(&self.nodes) + more;
        let latest = Instant::now() + AT_THE_LATEST;
        while count(&self.nodes) < until && Instant::now() < latest {
            tokio::select! {
                () = sleep(Duration::from_millis(2)) => {}
                () = stop.cancelled() => return false,
            }
        }
        if after_fault {
            sleep(self.dice.millis(1, 600)).await;
        }
        true
    }

    async fn kill(&mut self, how: &str) {
        self.run.report.count("server ended", how);
        self.server.kill().await;
    }
    async fn end(&mut self) -> Result<(), String> {
        if let Some(status) = self.server.died() {
            return Err(format!("the server ended by itself: {status}"));
        }
        match self.dice.below(10) {
            0 => {
                self.run.report.count("server ended", "SIGTERM");
                self.server.ask_to_end().await;
                let asked = Instant::now();
                self.server.ended().await?;
                self.run.report.took("from SIGTERM to the end", asked.elapsed());
            }
            1 => {
                self.server.ask_to_end().await;
                sleep(self.dice.millis(1, 500)).await;
                self.kill("SIGTERM, then SIGKILL").await;
            }
            _ => self.kill("SIGKILL").await,
        }
        Ok(())
    }
}
