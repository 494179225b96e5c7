//! Times of many requests of one kind.
use std::time::Duration;

/// Milliseconds, sorted when they are asked for.
#[derive(Clone, Debug, Default)]
pub struct Sample(Vec<f64>);

impl Sample {
    pub fn add(&mut self, time: Duration) {
        self.0.push(time.as_secs_f64() * 1000.0);
    }
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }
    pub fn median(&self) -> f64 {
        self.at(50)
    }
    pub fn p99(&self) -> f64 {
        self.at(99)
    }
    pub fn most(&self) -> f64 {
        self.at(100)
    }
    fn at(&self, percent: usize) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted[(sorted.len() - 1) * percent / 100]
    }
}
