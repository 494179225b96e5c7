//! What the kernel knows of this process, by the names that every Prometheus client library uses,
//! so that the usual panels work (Heketi's has the same series). Read from proc(5).
use super::Exposition;
use std::fs;

/// Shows processor time, memory, open files and start time; what the kernel does not tell is left
/// out.
pub fn process(in_text: &mut Exposition) {
    if let Some(stat) = fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(Stat::of) {
        stat.show(in_text);
    }
    if let Ok(files) = fs::read_dir("/proc/self/fd") {
        // One of them is the folder that is being read.
        let open = files.count().saturating_sub(1);
        in_text.gauge("process_open_fds", "Number of open file descriptors.", number(open as u64));
    }
    if let Ok(limits) = fs::read_to_string("/proc/self/limits") {
        if let Some(most) = limit(&limits, "Max open files") {
            in_text.gauge("process_max_fds", "Maximum number of open file descriptors.", most);
        }
        if let Some(most) = limit(&limits, "Max address space") {
            let help = "Maximum amount of virtual memory available in bytes.";
            in_text.gauge("process_virtual_memory_max_bytes", help, most);
        }
    }
}

/// The fields of /proc/self/stat that are shown.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    /// Processor time in user and kernel mode, ticks.
    ticks: u64,
    /// Start, ticks after the machine's.
    started: u64,
    /// Bytes.
    virtual_memory: u64,
    /// Pages.
    resident: u64,
}

impl Stat {
    fn of(text: &str) -> Option<Self> {
        // The name of the program, in parentheses, may hold blanks and parentheses itself.
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // proc(5) counts from 1, and the state, the third, is the first here.
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            ticks: field(14)?.saturating_add(field(15)?),
            started: field(22)?,
            virtual_memory: field(23)?,
            resident: field(24)?,
        })
    }

    fn show(&self, in_text: &mut Exposition) {
        let a_second = number(rustix::param::clock_ticks_per_second());
        let help = "Total user and system CPU time spent in seconds.";
        in_text.counter("process_cpu_seconds_total", help, number(self.ticks) / a_second);
        let help = "Virtual memory size in bytes.";
        in_text.gauge("process_virtual_memory_bytes", help, number(self.virtual_memory));
        let resident = self.resident.saturating_mul(rustix::param::page_size() as u64);
        let help = "Resident memory size in bytes.";
        in_text.gauge("process_resident_memory_bytes", help, number(resident));
        let boot = fs::read_to_string("/proc/stat").ok().and_then(|text| boot(&text));
        if let Some(boot) = boot {
            let help = "Start time of the process since unix epoch in seconds.";
            let started = number(boot) + number(self.started) / a_second;
            in_text.gauge("process_start_time_seconds", help, started);
        }
    }
}

fn boot(stat: &str) -> Option<u64> {
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

/// The soft limit of this name.
fn limit(limits: &str, name: &str) -> Option<f64> {
    let rest = limits.lines().find_map(|line| line.strip_prefix(name))?;
    match rest.split_whitespace().next()? {
        // What Go's library shows.
        "unlimited" => Some(number(u64::MAX)),
        soft => soft.parse().ok().map(number),
    }
}

#[expect(clippy::cast_precision_loss, reason = "every number is a float for Prometheus")]
fn number(whole: u64) -> f64 {
    whole as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_behind_the_name() {
        let text = "42 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 300 20 13 14 15 16 17 18 5000 65536 12 9";
        let stat = Stat { ticks: 320, started: 5000, virtual_memory: 65536, resident: 12 };
        assert_eq!(Stat::of(text), Some(stat));
        assert_eq!(Stat::of("42 (short) S 1"), None);
        assert_eq!(boot("cpu 1 2\nbtime 1700000000\nprocesses 3\n"), Some(1_700_000_000));
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax open files  1024  4096  files\n\
                      Max address space  unlimited  unlimited  bytes\n";
        assert_eq!(limit(limits, "Max open files"), Some(1024.0));
        assert_eq!(limit(limits, "Max address space"), Some(number(u64::MAX)));
        assert_eq!(limit(limits, "Max nice priority"), None);
    }

    #[test]
    fn this_process_is_shown() {
        let mut text = Exposition::default();
        process(&mut text);
        let text = text.text().unwrap();
        let value = |name: &str| -> f64 {
            let line = text.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap();
            line.split(' ').nth(1).unwrap().parse().unwrap()
        };
        assert!(value("process_resident_memory_bytes") > 1e5);
        assert!(value("process_open_fds") >= 3.0);
        assert!(value("process_max_fds") >= value("process_open_fds"));
        let age = number(crate::store::now().unsigned_abs()) - value("process_start_time_seconds");
        assert!((-2.0..86_400.0).contains(&age), "{age}");
        assert!(value("process_cpu_seconds_total") >= 0.0);
    }
}
