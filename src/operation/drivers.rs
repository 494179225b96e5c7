//! Who drives which operation at present: one driver each, which others can call off.
use super::{queue::Ticket, results::Results};
use crate::domain::OperationId;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

/// All operations that somebody drives.
#[derive(Clone, Default)]
pub(super) struct Drivers(Arc<Mutex<HashMap<OperationId, Driver>>>);

struct Driver {
    called_off: CancellationToken,
    waiting: bool,
    /// Cancelled when it is let go.
    gone: CancellationToken,
}

/// The right to drive an operation, until it is dropped.
pub(super) struct Hold {
    pub(super) id: OperationId,
    pub(super) ticket: Option<Ticket>,
    /// Cancelled when somebody has turned the operation meanwhile: what runs for it is pointless.
    pub(super) called_off: CancellationToken,
    /// Since when it is held: for a fresh operation, since its acceptance was begun.
    pub(super) since: Instant,
    /// Something was done for the operation: only then its rest is news.
    pub(super) moved: bool,
    /// The journal says that its first steps are begun, and nothing of them was sent yet.
    pub(super) begun: bool,
    /// What its steps have done since the journal was written.
    pub(super) results: Results,
    drivers: Drivers,
}

/// How many operations are driven.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AtWork {
    /// They wait for their turn.
    pub waiting: u64,
    /// They are at work.
    pub working: u64,
}

/// What a driver is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Driving {
    /// Nobody drives the operation.
    Not,
    /// It waits for its turn.
    Waiting,
    /// It is at work.
    Working,
}

impl Drivers {
    /// Takes the right to drive the operation; none while somebody else has it.
    pub(super) fn hold(&self, id: OperationId) -> Option<Hold> {
        let mut all = self.all();
        if all.contains_key(&id) {
            return None;
        }
        Some(self.enter(&mut all, id, None))
    }
    /// A new operation, and the right to drive it before anybody can see it: what can be seen and
    /// is held by nobody is taken for left behind. It has its turn when the ticket has, if there is one.
    pub(super) fn hold_new(&self, ticket: Option<Ticket>) -> Hold {
        self.enter(&mut self.all(), OperationId::random(), ticket)
    }
    fn enter(
        &self,
        all: &mut HashMap<OperationId, Driver>,
        id: OperationId,
        ticket: Option<Ticket>,
    ) -> Hold {
        let called_off = CancellationToken::new();
        let waiting = ticket.as_ref().is_some_and(Ticket::waits);
        let gone = CancellationToken::new();
        all.insert(id, Driver { called_off: called_off.clone(), waiting, gone });
        Hold {
            id,
            ticket,
            called_off,
            since: Instant::now(),
            moved: false,
            begun: false,
            results: Results::default(),
            drivers: self.clone(),
        }
    }
    /// Tells whoever drives the operation that its record has been turned.
    pub(super) fn call_off(&self, id: OperationId) {
        if let Some(driver) = self.all().get(&id) {
            driver.called_off.cancel();
        }
    }
    pub(super) fn driving(&self, id: OperationId) -> Driving {
        match self.all().get(&id) {
            None => Driving::Not,
            Some(Driver { waiting: true, .. }) => Driving::Waiting,
            Some(_) => Driving::Working,
        }
    }
    /// Returns when nobody drives the operation any more.
    pub(super) async fn gone(&self, id: OperationId) {
        let gone = self.all().get(&id).map(|driver| driver.gone.clone());
        if let Some(gone) = gone {
            gone.cancelled().await;
        }
    }
    pub(super) fn at_work(&self) -> AtWork {
        let mut count = AtWork::default();
        for driver in self.all().values() {
            *(if driver.waiting { &mut count.waiting } else { &mut count.working }) += 1;
        }
        count
    }
    fn all(&self) -> MutexGuard<'_, HashMap<OperationId, Driver>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hold {
    /// Waits for the operation's turn, if it needs one; also ends when it is called off.
    pub(super) async fn turn(&mut self) {
        if let Some(ticket) = &mut self.ticket {
            tokio::select! {
                () = ticket.turn() => {}
                () = self.called_off.cancelled() => {}
            }
        }
        self.works();
    }
    /// Takes the operation's turn if that is there already, or none is needed; whether it has it.
    pub(super) fn turn_now(&mut self) -> bool {
        let turn = self.ticket.as_mut().is_none_or(Ticket::turn_now);
        if turn {
            self.works();
        }
        turn
    }
    fn works(&self) {
        if let Some(driver) = self.drivers.all().get_mut(&self.id) {
            driver.waiting = false;
        }
    }
    /// Lets the next operation begin, although this one is not done.
    pub(super) fn lend(&mut self) {
        if let Some(ticket) = &mut self.ticket {
            ticket.lend();
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(driver) = self.drivers.all().remove(&self.id) {
            driver.gone.cancel();
        }
    }
}
