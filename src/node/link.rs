//! What is needed to reach a host, and is got by one for all who wait for it: a hundred that wait
//! for a dead node wait for one dial, not for a hundred, and share its failure.
use super::Result;
use std::time::Instant;
use tokio::sync::Mutex;

/// The last try and what came of it.
pub(super) struct Link<T>(Mutex<Option<Try<T>>>);

struct Try<T> {
    begun: Instant,
    ended: Instant,
    result: Result<T>,
}

impl<T> Default for Link<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T: Clone> Link<T> {
    /// What is there already, or a new one. A failure counts for all who asked before it was known.
    ///
    /// # Errors
    /// Those of `make`.
    ///
    /// # Cancel safety
    /// A try that is dropped leaves no trace; the next who waits makes one.
    pub(super) async fn kept(&self, make: impl AsyncFnOnce() -> Result<T>) -> Result<T> {
        self.get(make, |last, asked| last.result.is_ok() || last.ended > asked).await
    }

    /// What was seen after asking, by this caller or another: never an older answer.
    ///
    /// # Errors
    /// Those of `make`.
    ///
    /// # Cancel safety
    /// As [`Link::kept`].
    pub(super) async fn fresh(&self, make: impl AsyncFnOnce() -> Result<T>) -> Result<T> {
        self.get(make, |last, asked| last.begun >= asked).await
    }

    async fn get(
        &self,
        make: impl AsyncFnOnce() -> Result<T>,
        serves: impl Fn(&Try<T>, Instant) -> bool,
    ) -> Result<T> {
        let asked = Instant::now();
        let mut last = self.0.lock().await;
        if let Some(last) = last.as_ref().filter(|last| serves(last, asked)) {
            return last.result.clone();
        }
        let begun = Instant::now();
        let result = make().await;
        *last = Some(Try { begun, ended: Instant::now(), result: result.clone() });
        result
    }

    /// Lets go of what is there, if it is this.
    pub(super) async fn forget(&self, is_it: impl Fn(&T) -> bool) {
        let mut last = self.0.lock().await;
        if last.as_ref().is_some_and(|last| last.result.as_ref().is_ok_and(is_it)) {
            *last = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::NodeError;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::Notify;

    /// Counts tries, each of which waits until it is let go.
    #[derive(Default)]
    struct Door {
        tries: AtomicUsize,
        begun: Notify,
        open: Notify,
    }
    impl Door {
        async fn number(&self) -> Result<usize> {
            let number = self.tries.fetch_add(1, Ordering::SeqCst) + 1;
            self.begun.notify_one();
            self.open.notified().await;
            Ok(number)
        }
        async fn failure(&self) -> Result<usize> {
            let number = self.number().await?;
            Err(NodeError::Refused(number.to_string()))
        }
    }

    #[tokio::test]
    async fn who_waits_for_a_dial_shares_its_failure() {
        let (link, door) = (Link::default(), Door::default());
        let dial = || link.kept(async || door.failure().await);
        let let_go = async {
            door.begun.notified().await;
            door.open.notify_one();
        };
        let (one, other, ()) = tokio::join!(dial(), dial(), let_go);
        assert_eq!(
            (one.unwrap_err().to_string(), other.unwrap_err().to_string()),
            ("1".into(), "1".into())
        );
        // Who asks later has a try of its own, and what is there is kept.
        door.open.notify_one();
        let made = link.kept(async || door.number().await).await;
        assert_eq!(made.unwrap(), 2);
        assert_eq!(link.kept(async || door.number().await).await.unwrap(), 2);
        link.forget(|number| *number == 1).await;
        assert_eq!(link.kept(async || door.number().await).await.unwrap(), 2);
        link.forget(|number| *number == 2).await;
        door.open.notify_one();
        assert_eq!(link.kept(async || door.number().await).await.unwrap(), 3);
    }

    #[tokio::test]
    async fn what_was_seen_before_asking_is_not_fresh() {
        let (link, door) = (Link::default(), Door::default());
        let look = || link.fresh(async || door.number().await);
        let first = look();
        tokio::pin!(first);
        tokio::select! {
            biased;
            _ = &mut first => panic!("it waits"),
            () = door.begun.notified() => {}
        }
        // Two ask while the first look is under way: it may have seen what was before them.
        let let_go = async {
            door.open.notify_one();
            door.begun.notified().await;
            door.open.notify_one();
        };
        let (first, second, third, ()) = tokio::join!(first, look(), look(), let_go);
        assert_eq!((first.unwrap(), second.unwrap(), third.unwrap()), (1, 2, 2));
    }
}
