//! Many cases side by side, each by itself.
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// Runs each case; fails with the first of those that fail, after all have been run.
pub fn all<T: Sync>(cases: &[T], run: impl Fn(&T) -> Result<(), String> + Sync) {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(vec![]));
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::SeqCst)) {
            let result = catch_unwind(AssertUnwindSafe(|| run(case)));
            let error = match result {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => error,
                Err(panic) => format!("panicked: {:?}", panic.downcast_ref::<String>()),
            };
            failed.lock().unwrap().push(error);
        }
    };
    thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(2, usize::from);
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let failed = failed.into_inner().unwrap();
    let shown: Vec<_> = failed.iter().take(3).map(String::as_str).collect();
    assert!(
        failed.is_empty(),
        "{} of {} cases failed, such as\n{}",
        failed.len(),
        cases.len(),
        shown.join("\n\n")
    );
}
