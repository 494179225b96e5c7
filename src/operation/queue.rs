//! Who may work at the same time, and who waits: a fair queue with a bound.
//!
//! An operation is accepted, with its space reserved, before it gets its turn, so its client knows
//! at once whether there is room for it. Only when too many wait already it is turned away.
use crate::error::{Error, Result};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The queue of operations that are limited.
#[derive(Clone)]
pub(super) struct Queue {
    places: Arc<Semaphore>,
    present: Arc<AtomicUsize>,
    most: usize,
}

/// Being counted, from acceptance to the end; with a place to work when it is one's turn.
pub(super) struct Ticket {
    queue: Queue,
    place: Option<OwnedSemaphorePermit>,
}

impl Queue {
    pub(super) fn new(places: usize, waiting: usize) -> Self {
        let places = places.min(Semaphore::MAX_PERMITS);
        Self {
            places: Arc::new(Semaphore::new(places)),
            present: Arc::default(),
            most: places.saturating_add(waiting),
        }
    }
    /// # Errors
    /// [`Error::Busy`] when nobody more may wait.
    pub(super) fn enter(&self) -> Result<Ticket> {
        let take = |n: usize| (n < self.most).then_some(n + 1);
        match self.present.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take) {
            Ok(_) => Ok(Ticket { queue: self.clone(), place: None }),
            Err(_) => Err(Error::Busy),
        }
    }
}

impl Ticket {
    /// Waits for a place: who came first gets it first.
    ///
    /// # Cancel safety
    /// Dropping the future gives the place in the queue up.
    pub(super) async fn turn(&mut self) {
        if !self.waits() {
            return;
        }
        // The semaphore is never closed, so there is always a place in the end.
        self.place = self.queue.places.clone().acquire_owned().await.ok();
    }
    /// Takes a place if one is free and nobody waits for it; whether it has one.
    pub(super) fn turn_now(&mut self) -> bool {
        if self.waits() {
            self.place = self.queue.places.clone().try_acquire_owned().ok();
        }
        !self.waits()
    }
    /// It has no place to work yet.
    pub(super) fn waits(&self) -> bool {
        self.place.is_none()
    }
    /// Lets the next one begin, although this one is not done: it waits for a node.
    pub(super) fn lend(&mut self) {
        self.place = None;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.queue.present.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Poll;

    fn poll(future: std::pin::Pin<&mut impl Future>) -> bool {
        let waker = std::task::Waker::noop();
        matches!(future.poll(&mut std::task::Context::from_waker(waker)), Poll::Ready(_))
    }

    #[test]
    fn first_come_first_served_up_to_the_bound() {
        let queue = Queue::new(1, 2);
        let [mut a, mut b, mut c] = [(); 3].map(|()| queue.enter().unwrap());
        assert!(matches!(queue.enter(), Err(Error::Busy)));
        assert!(poll(std::pin::pin!(a.turn())));
        {
            let (mut second, mut third) = (std::pin::pin!(b.turn()), std::pin::pin!(c.turn()));
            assert!(!poll(second.as_mut()) && !poll(third.as_mut()));
            drop(a);
            assert!(!poll(third.as_mut()) && poll(second.as_mut()));
            // Somebody new waits behind those who wait already.
            let mut late = queue.enter().unwrap();
            assert!(!late.turn_now(), "it went ahead of those who wait");
            assert!(!poll(std::pin::pin!(late.turn())));
        }
        b.lend();
        assert!(poll(std::pin::pin!(c.turn())));
        drop(c);
        let mut again = queue.enter().unwrap();
        assert!(again.turn_now() && !again.waits() && poll(std::pin::pin!(again.turn())));
        let mut next = queue.enter().unwrap();
        assert!(!next.turn_now() && next.waits());
        assert!(matches!(queue.enter(), Err(Error::Busy)), "a lent place is counted all the same");
    }
}
