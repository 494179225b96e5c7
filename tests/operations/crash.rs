//! Kills the server at every effect, before it and after it: each commit, and each command on a
//! node, probes included.
use super::{
    cases,
    fuse::Trouble,
    scenario::{ALL, Scenario, named},
    site::{Picture, settings},
};
use brickyard::operation::{OnRestart, Queued};
use std::sync::atomic::{AtomicUsize, Ordering};

const POLICIES: [OnRestart; 2] = [OnRestart::Unwind, OnRestart::Resume];

struct Case {
    scenario: &'static Scenario,
    policy: OnRestart,
    /// One server after another dies at its effect of this number.
    deaths: Vec<usize>,
}

/// The number of effects when nothing goes wrong.
fn effects(scenario: &Scenario) -> usize {
    let site = scenario.base().site();
    let server = site.start();
    server.perform(scenario.operation());
    let effects = server.fuse.effects();
    server.picture(None).unwrap_or_else(|e| panic!("{}: {e}", scenario.name));
    server.end();
    effects
}

impl Case {
    /// Whether the last server died; else there is no such crash point.
    fn run(&self) -> Result<bool, String> {
        let Self { scenario, policy, deaths } = self;
        let site = scenario.base().site();
        let (mut answered, mut died, mut story) = (None, true, vec![]);
        for (n, at) in deaths.iter().enumerate() {
            let server = site.start_with(Some(*at), Trouble::None, settings());
            if n == 0 {
                answered = server
                    .begin(&scenario.operation())
                    .transpose()
                    .map_err(|e| format!("{}: refused: {e}", scenario.name))?;
            } else {
                server.recover(*policy);
            }
            died = server.rest().is_none();
            let last = server.fuse.last.lock().unwrap().clone();
            server.kill();
            match last {
                Some(what) => story.push(what),
                None => break,
            }
        }
        let result =
            site.recover(*policy, answered).and_then(|p| self.arrived(answered.is_some(), &p));
        let story =
            || format!("{}, {policy:?}, died {deaths:?}: {}", scenario.name, story.join("; "));
        result.map(|()| died).map_err(|error| format!("{}\n{error}", story()))
    }

    /// No command failed, so one that is resumed arrives: else a step could not be repeated. Only
    /// one that nobody was told of may never have begun.
    fn arrived(&self, answered: bool, picture: &Picture) -> Result<(), String> {
        match (&picture.queued, &picture.newest) {
            (Some(Queued::Done(_)), _) => Ok(()),
            (queued, _) if answered && self.policy == OnRestart::Resume => {
                Err(format!("resumed, but {queued:?}"))
            }
            (_, Some((state, error))) if !answered && self.policy == OnRestart::Resume => {
                let begun = state == "done" || error.contains("before this operation began");
                if begun { Ok(()) } else { Err(format!("resumed, but {state}: {error}")) }
            }
            _ => Ok(()),
        }
    }
}

#[test]
fn every_crash_point_recovers() {
    let mut all = vec![];
    for scenario in ALL {
        let points = effects(scenario);
        println!("{}: {points} crash points", scenario.name);
        assert!(points >= 4, "{}: its commits are not seen", scenario.name);
        for policy in POLICIES {
            all.extend((0..points).map(|at| Case { scenario, policy, deaths: vec![at] }));
        }
    }
    println!("{} crashes", all.len());
    let crashes = AtomicUsize::new(0);
    cases::all(&all, |case| {
        crashes.fetch_add(usize::from(case.run()?), Ordering::SeqCst);
        Ok(())
    });
    // At the very last effect, whoever waits for the end may be faster than death.
    let alive = all.len() - crashes.into_inner();
    assert!(alive <= ALL.len() * POLICIES.len(), "{alive} servers did not die");
}

/// Every third first death, and every 23rd effect on the way back from it, others each
/// time.
#[test]
fn a_crash_while_recovering_recovers_too() {
    let mut firsts = vec![];
    for name in ["add device", "create replica 3", "expand volume", "delete volume"] {
        let scenario = named(name);
        for at in (0..effects(scenario)).step_by(3) {
            firsts.extend(POLICIES.map(|policy| (scenario, policy, at)));
        }
    }
    let seconds = AtomicUsize::new(0);
    cases::all(&firsts, |&(scenario, policy, first)| {
        for second in (first / 3 % 23..).step_by(23) {
            if !(Case { scenario, policy, deaths: vec![first, second] }).run()? {
                return Ok(());
            }
            seconds.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    });
    let seconds = seconds.into_inner();
    println!("{seconds} double crashes");
    assert!(seconds > firsts.len(), "hardly any server died while it recovered");
}
