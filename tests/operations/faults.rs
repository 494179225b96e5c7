//! Nothing dies, but nodes do not do what they are told: each command fails once, each answer is
//! lost once, each node is gone from any command on.
use super::{
    cases,
    fuse::Trouble,
    scenario::{ALL, Scenario, named, once},
    site::{Picture, Server, Site},
};
use brickyard::{
    domain::OperationId,
    operation::{OnRestart, Queued},
};
use std::{
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    time::Duration,
};

/// How cases ended before anybody came to help.
#[derive(Debug, Default)]
struct Tally {
    refused: AtomicUsize,
    done: AtomicUsize,
    failed: AtomicUsize,
    stuck: AtomicUsize,
}

struct Case {
    scenario: &'static Scenario,
    trouble: Trouble,
}

/// What became of an operation in trouble, with the server that has it still running.
struct Troubled {
    site: Site,
    server: Server,
    answered: Option<OperationId>,
    stuck: bool,
}

/// All commands of an operation in which nothing goes wrong: host and words.
pub fn commands(scenario: &Scenario) -> Vec<(String, String)> {
    let site = scenario.base().site();
    let server = site.start_with(None, Trouble::None, once());
    server.perform(scenario.operation());
    let log = server.fuse.log.lock().unwrap().clone();
    server.end();
    log
}

/// Whether the failure of a command would be a fault: a question's exit status is an answer;
/// detaching is told in the log, and the node forgotten all the same (as Heketi does it); a mount
/// point that cannot be removed stays, since it may hold something.
pub fn can_hurt(command: &str) -> bool {
    let harmless = ["grep ", "test ", "blkid ", "mountpoint ", "rmdir "];
    let harmless = harmless.iter().any(|word| command.starts_with(word));
    !harmless && !command.contains("peer detach")
}

impl Case {
    fn name(&self) -> String {
        format!("{}, {:?}", self.scenario.name, self.trouble)
    }

    /// Runs into the trouble; then the trouble is over.
    fn run(&self, tally: &Tally) -> Troubled {
        let site = self.scenario.base().site();
        let mut settings = once();
        if matches!(self.trouble, Trouble::Fails(_)) {
            settings.patience = vec![];
        }
        let server = site.start_with(None, self.trouble.clone(), settings);
        let answered = server.must(server.operations.start(self.scenario.operation())).ok();
        server.rest();
        server.fuse.set_trouble(Trouble::None);
        self.lose_power(&site);
        let (ended, stuck) = match answered.map(|id| server.queued(id)) {
            None => (&tally.refused, false),
            Some(Queued::Done(_)) => (&tally.done, false),
            Some(Queued::Failed(why)) if why.contains("tried again") => (&tally.stuck, true),
            Some(Queued::Failed(_)) => (&tally.failed, false),
            Some(Queued::Pending) => panic!("at rest, but still pending"),
        };
        ended.fetch_add(1, SeqCst);
        Troubled { site, server, answered, stuck }
    }

    /// Who was gone had lost its power: its disk has what was flushed, and nothing else.
    fn lose_power(&self, site: &Site) {
        let mut world = site.sim.world();
        let hosts: Vec<_> = match &self.trouble {
            Trouble::Gone(host, _) => vec![host.clone()],
            Trouble::AllGone(_) => world.nodes.keys().cloned().collect(),
            _ => vec![],
        };
        for host in hosts {
            world.lose_power(&host);
        }
    }

    /// Everything agrees, at the latest after the next start.
    fn settle(&self, tally: &Tally) -> Result<Picture, String> {
        let Troubled { site, server, answered, stuck } = self.run(tally);
        let picture = if stuck {
            server.end();
            site.recover(OnRestart::Unwind, answered)
        } else {
            let picture = server.picture(answered);
            server.end();
            picture
        };
        picture.map_err(|e| format!("{}\n{e}", self.name()))
    }
}

#[test]
fn every_command_may_fail() {
    let mut all = vec![];
    for scenario in ALL {
        for (at, (_, command)) in commands(scenario).iter().enumerate() {
            if can_hurt(command) {
                all.push(Case { scenario, trouble: Trouble::Fails(at) });
            }
        }
    }
    let tally = Tally::default();
    cases::all(&all, |case| case.settle(&tally).map(drop));
    println!("{} commands failed: {tally:?}", all.len());
    assert!(tally.failed.into_inner() > 0 && tally.stuck.into_inner() > 0);
}

/// What can be repeated is repeated, so a request or an answer that is lost does no harm.
#[test]
fn every_request_and_answer_may_be_lost() {
    let mut all = vec![];
    for scenario in ALL {
        for at in 0..commands(scenario).len() {
            all.push(Case { scenario, trouble: Trouble::ReplyLost(at) });
            all.push(Case { scenario, trouble: Trouble::RequestLost(at) });
        }
    }
    let tally = Tally::default();
    cases::all(&all, |case| {
        match case.settle(&tally)?.queued {
            // Only the look of a node to be added is not repeated: the request is refused.
            None if case.scenario.name.starts_with("add the ") => Ok(()),
            Some(Queued::Done(_)) => Ok(()),
            queued => Err(format!("{}: {queued:?}", case.name())),
        }
    });
    println!("{} requests and answers were lost: {tally:?}", all.len());
}

fn nodes_gone(step: usize) -> Vec<Case> {
    let mut all = vec![];
    for scenario in ALL.iter().filter(|s| s.name != "delete node") {
        let log = commands(scenario);
        let mut hosts: Vec<_> = log.iter().map(|(host, _)| host.clone()).collect();
        hosts.sort();
        hosts.dedup();
        let from = (0..log.len()).step_by(step / 4);
        all.extend(from.map(|from| Case { scenario, trouble: Trouble::AllGone(from) }));
        for host in hosts {
            let from = (0..log.len()).step_by(step);
            all.extend(
                from.map(|from| Case { scenario, trouble: Trouble::Gone(host.clone(), from) }),
            );
        }
    }
    all
}

#[test]
fn every_node_may_vanish_and_come_back() {
    let (all, tally) = (nodes_gone(8), Tally::default());
    cases::all(&all, |case| case.settle(&tally).map(drop));
    println!("nodes vanished {} times: {tally:?}", all.len());
    assert!(tally.stuck.into_inner() > 0);
}

/// The cleaner finishes what is stuck without a restart, and a client that was told of a failure
/// is never proven wrong by a volume that appears after all.
#[test]
fn the_cleaner_finishes_what_is_stuck() {
    let (all, tally) = (nodes_gone(16), Tally::default());
    cases::all(&all, |case| {
        let Troubled { site, server, answered, stuck } = case.run(&tally);
        server.end();
        if !stuck {
            return Ok(());
        }
        let soon = Duration::from_millis(5);
        let mut settings = super::site::settings();
        // Recovery of its own is kept out: the node is gone until the cleaner comes.
        settings.cleaner = Some((soon, soon));
        let server = site.start_with(None, Trouble::None, settings);
        let hosts = site.sim.world().nodes.keys().cloned().collect();
        site.sim.world().down = hosts;
        server.recover(OnRestart::Unwind);
        server.rest();
        site.sim.world().down.clear();
        server.finish();
        let picture = server.picture(answered);
        server.end();
        let picture = picture.map_err(|e| format!("{}\n{e}", case.name()))?;
        match picture.queued {
            Some(Queued::Done(_)) if case.scenario.name.starts_with("create") => {
                Err(format!("{}: it had been called a failure", case.name()))
            }
            _ => Ok(()),
        }
    });
    println!("stuck until the cleaner came: {tally:?}");
    assert!(tally.stuck.into_inner() > 0);
}

/// A server dies, and its successor cannot do everything either, whichever way it goes.
#[test]
fn a_way_that_is_barred_after_a_crash_is_gone_later() {
    let mut all = vec![];
    for name in ["create replica 3", "create disperse", "add device", "expand volume"] {
        let words = ["umount", "sed", "lvremove", "vgremove", "volume delete"];
        let broken = words.map(|words| (OnRestart::Unwind, Trouble::Broken(words)));
        let gone = |n| (OnRestart::Resume, Trouble::Gone(format!("n{n}"), 0));
        let barred = broken.into_iter().chain((0..4).map(gone));
        all.extend(barred.map(|(policy, trouble)| (named(name), policy, trouble)));
    }
    let stuck = AtomicUsize::new(0);
    cases::all(&all, |(scenario, policy, trouble)| {
        for at in (0..commands(scenario).len()).step_by(4) {
            let site = scenario.base().site();
            let server = site.start_with(Some(2 * at), Trouble::None, once());
            let answered = server.begin(&scenario.operation()).and_then(Result::ok);
            server.rest();
            server.kill();
            let server = site.start_with(None, trouble.clone(), once());
            server.recover(*policy);
            server.rest();
            let is_stuck = server.must(async {
                let mut tx = server.store.read().await.unwrap();
                brickyard::store::operations::stuck(&mut tx).await.unwrap().len()
            });
            stuck.fetch_add(is_stuck, SeqCst);
            server.end();
            site.recover(OnRestart::Unwind, answered)
                .map_err(|e| format!("{}, {trouble:?}, died at {at}: {e}", scenario.name))?;
        }
        Ok(())
    });
    assert!(stuck.into_inner() > 0, "every way was open");
}
