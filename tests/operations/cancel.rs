//! Operations that are called off at each of their commands, while the node is still at work on it.
use super::{
    cases,
    fuse::Trouble,
    scenario::{ALL, Scenario, once},
};
use brickyard::{error::Error, operation::Queued};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

struct Case {
    scenario: &'static Scenario,
    number: usize,
    after: bool,
}

#[derive(Debug, Default)]
struct Tally {
    called_off: AtomicUsize,
    too_late: AtomicUsize,
    refused: AtomicUsize,
}

impl Case {
    fn run(&self, tally: &Tally) -> Result<(), String> {
        let name = format!("{}, {} {}", self.scenario.name, self.number, self.after);
        let site = self.scenario.base().site();
        let trouble = Trouble::HeldAt { number: self.number, after: self.after };
        let server = site.start_with(None, trouble, once());
        let operation = self.scenario.operation();
        let answered = server.must(async {
            tokio::select! {
                biased;
                answered = server.operations.start(operation) => answered.ok(),
                // It is still looking around: nobody knows its id yet.
                () = server.fuse.wait_held(1) => None,
            }
        });
        let Some(id) = answered else {
            tally.refused.fetch_add(1, SeqCst);
            server.fuse.release();
            server.rest();
            server.end();
            return Ok(());
        };
        let cancelled = server.must(async {
            server.fuse.wait_held(1).await;
            server.operations.cancel(id).await
        });
        let expected = match cancelled {
            Ok(()) => &tally.called_off,
            Err(Error::Conflict(_)) => &tally.too_late,
            Err(other) => return Err(format!("{name}: {other}")),
        };
        expected.fetch_add(1, SeqCst);
        server.fuse.release();
        server.fuse.set_trouble(Trouble::None);
        server.rest();
        let picture = server.picture(Some(id)).map_err(|e| format!("{name}: {e}"))?;
        server.end();
        match (cancelled.is_ok(), picture.queued) {
            (true, Some(Queued::Failed(why))) if why.contains("cancelled") => Ok(()),
            (false, Some(Queued::Done(_))) => Ok(()),
            other => Err(format!("{name}: {other:?}")),
        }
    }
}

#[test]
fn an_operation_may_be_called_off_at_any_command() {
    let mut all = vec![];
    for scenario in ALL {
        for number in 0..super::faults::commands(scenario).len() {
            for after in [false, true] {
                all.push(Case { scenario, number, after });
            }
        }
    }
    let tally = Tally::default();
    cases::all(&all, |case| case.run(&tally));
    println!("called off at {} moments: {tally:?}", all.len());
    assert!(tally.called_off.into_inner() > 0 && tally.too_late.into_inner() > 0);
}
