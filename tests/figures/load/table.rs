//! The figures, as a table for people and as JSON for everything else.
use crate::measure::Sample;
use serde_json::{Value, json};
use std::fmt::Write;

#[derive(Clone, Copy)]
pub enum Unit {
    Ms,
    S,
    Mb,
    Times,
    Count,
}

impl Unit {
    fn text(self) -> &'static str {
        match self {
            Self::Ms => "ms",
            Self::S => "s",
            Self::Mb => "MB",
            Self::Times => "times",
            Self::Count => "",
        }
    }
}

struct Row {
    what: String,
    value: f64,
    unit: Unit,
    /// At the most; below zero, at least as much as that without its sign.
    target: Option<f64>,
}

pub struct Table(Vec<Row>);

impl Table {
    pub fn new() -> Self {
        Self(vec![])
    }
    /// Adds a figure, and says it at once: all of them take minutes.
    pub fn row(&mut self, what: &str, value: f64, unit: Unit, target: Option<f64>) {
        eprintln!("{what}: {value:.2} {}", unit.text());
        self.0.push(Row { what: what.into(), value, unit, target });
    }
    /// Median and 99th percentile, each with its target.
    pub fn sample(&mut self, what: &str, sample: &Sample, median: Option<f64>, p99: Option<f64>) {
        self.row(&format!("{what}, median"), sample.median(), Unit::Ms, median);
        self.row(&format!("{what}, p99"), sample.p99(), Unit::Ms, p99);
    }

    pub fn text(&self) -> String {
        let build = if cfg!(debug_assertions) { "not optimised" } else { "optimised" };
        let mut text = format!("{}; {build}\n\n", machine());
        let _ = writeln!(text, "{:<58} {:>10} {:>6}  target", "", "measured", "");
        for Row { what, value, unit, target } in &self.0 {
            let target = match target {
                None => String::new(),
                Some(least) if *least < 0.0 => format!(">= {}", -least),
                Some(most) => format!("<= {most}"),
            };
            let line = format!("{what:<58} {value:>10.2} {:>6}  {target}", unit.text());
            let _ = writeln!(text, "{}", line.trim_end());
        }
        text
    }
    pub fn json(&self) -> String {
        let row = |row: &Row| {
            json!({"what": row.what, "value": row.value, "unit": row.unit.text(),
                "target": row.target})
        };
        let rows: Vec<Value> = self.0.iter().map(row).collect();
        let optimised = !cfg!(debug_assertions);
        json!({"machine": machine(), "optimised": optimised, "figures": rows}).to_string()
    }
}

/// Processors, memory and kernel.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let model = info.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let model = model.trim_start_matches([' ', '\t', ':']);
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let memory = read("/proc/meminfo");
    let memory = memory.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib: u64 = memory.and_then(|m| m.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0);
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("{cores} cores of {model}, {} MB of memory, Linux {}", kib / 1024, kernel.trim())
}
