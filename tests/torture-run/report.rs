//! What happened, counted; and what must not have happened.
use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

/// Findings beyond these say nothing new.
const MOST_FINDINGS: usize = 20;

pub struct Report {
    begun: Instant,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    counts: BTreeMap<(&'static str, String), u64>,
    slowest: BTreeMap<&'static str, Duration>,
    findings: Vec<String>,
}

impl Report {
    pub fn new() -> Self {
        Self { begun: Instant::now(), inner: Mutex::default() }
    }
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }
    pub fn count(&self, group: &'static str, what: impl Into<String>) {
        *self.inner().counts.entry((group, what.into())).or_default() += 1;
    }
    /// Remembers the longest.
    pub fn took(&self, what: &'static str, time: Duration) {
        let mut inner = self.inner();
        let longest = inner.slowest.entry(what).or_default();
        *longest = time.max(*longest);
    }
    /// Something that the product must never do.
    pub fn finding(&self, text: impl Into<String>) {
        let text = text.into();
        let second = self.begun.elapsed().as_secs_f64();
        eprintln!("torture: {second:.1} s: FOUND: {text}");
        let mut inner = self.inner();
        if inner.findings.len() < MOST_FINDINGS {
            inner.findings.push(text);
        }
    }
    pub fn findings(&self) -> Vec<String> {
        self.inner().findings.clone()
    }
    pub fn is_clean(&self) -> bool {
        self.inner().findings.is_empty()
    }
    pub fn say(&self, text: &str) {
        println!("torture: {:.1} s: {text}", self.begun.elapsed().as_secs_f64());
    }
    fn total(inner: &Inner, group: &str) -> u64 {
        inner.counts.iter().filter(|((g, _), _)| *g == group).map(|(_, n)| n).sum()
    }

    /// Everything that was counted, group by group.
    pub fn text(&self) -> String {
        let inner = self.inner();
        let mut text = String::new();
        let mut last = "";
        for ((group, what), n) in &inner.counts {
            if *group != last {
                let _ = writeln!(text, "{group}: {}", Self::total(&inner, group));
                last = group;
            }
            let _ = writeln!(text, "  {n:>7}  {what}");
        }
        for (what, time) in &inner.slowest {
            let _ = writeln!(text, "{what}: {:.2} s at the most", time.as_secs_f64());
        }
        let _ = writeln!(text, "findings: {}", inner.findings.len());
        text
    }
}
