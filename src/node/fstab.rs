//! The file that mounts bricks at boot: one line a brick, added once, found by the brick's id.
//!
//! `sed -i` reads the whole file and puts another in its place, so whoever else changes it
//! meanwhile is lost. Bricks of one node come and go side by side: each change takes the lock.
//!
//! Nor does `sed -i` wait for the disk: a power cut in the next seconds left an empty file, and
//! with it no brick of the node was mounted again (seen on ext4 with its defaults, Linux 6.1).
//! So lines are appended in place, and each change is on disk before anything relies on it.
use super::{Script, Tools, When, names::BrickLv, script::Cmd};

/// One lock for the file of a node, beside those of scripts.
const LOCK: &str = "/run/brickyard/fstab.lock";

/// Adds the brick's line unless it is there (storage.md 1.5-4).
#[must_use]
pub fn add(script: Script, tools: &Tools, brick: &BrickLv) -> Script {
    let fstab = tools.fstab.as_str();
    let line = line(brick, &tools.mount_options);
    // A last line of somebody else's that is not ended would swallow ours.
    let missing = When::Fails(Cmd::new(["test", "-e", fstab]));
    let not_ended = When::Prints(Cmd::new(["tail", "-c", "1", fstab]));
    script
        .then_when(missing, Cmd::new(["touch", fstab]))
        .then_when(not_ended, end_last_line(LOCK, fstab))
        .then_when(When::Fails(has(fstab, brick)), append(LOCK, fstab, &line))
        .then(on_disk(fstab))
}

/// Removes the brick's line, if there is one; a backup `<fstab>.save` stays, as with Heketi.
///
/// It is not asked for first: an answer that could not be read would look like a no, and the line
/// that stays could keep the node from booting.
#[must_use]
pub fn remove(script: Script, tools: &Tools, brick: &BrickLv) -> Script {
    if !brick.is_in_fstab() {
        return script;
    }
    let fstab = tools.fstab.as_str();
    let exists = || When::Succeeds(Cmd::new(["test", "-e", fstab]));
    script.then_when(exists(), delete(LOCK, fstab, brick)).then_when(exists(), on_disk(fstab))
}

/// Prints the file.
#[must_use]
pub fn list(script: Script, tools: &Tools) -> Script {
    script.then_try(Cmd::new(["cat", tools.fstab.as_str()]))
}

/// On a journaling file system this takes along what was done before, such as mount points.
fn on_disk(fstab: &str) -> Cmd {
    Cmd::new(["sync", fstab])
}

fn line(brick: &BrickLv, options: &str) -> String {
    format!("{} {} xfs {options} 1 2", brick.device_node(), brick.mount_point())
}

/// The brick's logical volume stands at the end of its device node, so a space follows it.
fn has(fstab: &str, brick: &BrickLv) -> Cmd {
    Cmd::new(["grep", "-qF", "-e", &format!("{} ", brick.name()), fstab])
}

/// awk appends by itself: no redirection, so no shell.
fn append(lock: &str, fstab: &str, line: &str) -> Cmd {
    locked(lock, ["awk", "BEGIN {print ARGV[1] >> ARGV[2]}", line, fstab])
}

fn end_last_line(lock: &str, fstab: &str) -> Cmd {
    locked(lock, ["sed", "-i", "$a\\", fstab])
}

fn delete(lock: &str, fstab: &str, brick: &BrickLv) -> Cmd {
    let device = brick.device_node().replace('/', "\\/");
    let expression = format!("/^{device}[[:space:]]/d");
    locked(lock, ["sed", "-i.save", &expression, fstab])
}

fn locked<const N: usize>(lock: &str, argv: [&str; N]) -> Cmd {
    Cmd::new(["flock", "-w", "60", lock].into_iter().chain(argv))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{BrickId, DeviceId};
    use std::process::Command;

    fn run(cmd: &Cmd) {
        let status = Command::new(&cmd.argv[0]).args(&cmd.argv[1..]).status().unwrap();
        assert!(status.success(), "{cmd}");
    }

    /// Found on real nodes: a power cut seconds after a change emptied the file.
    #[test]
    fn a_change_is_on_disk_before_the_next_command() {
        let brick = BrickLv::new(BrickId::random(), DeviceId::random());
        let tools = Tools::default();
        for change in [add, remove] {
            let script = change(Script::changing("brick"), &tools, &brick);
            assert!(script.to_string().ends_with("sync /etc/fstab"), "{script}");
        }
    }

    /// Found on real nodes: a volume with two bricks on one node left a line behind.
    #[test]
    fn changes_side_by_side_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name| folder.path().join(name).display().to_string();
        let (fstab, lock) = (path("fstab"), path("lock"));
        std::fs::write(&fstab, "proc /proc proc defaults 0 0").unwrap();
        run(&end_last_line(&lock, &fstab));
        let bricks: Vec<BrickLv> =
            (0..24).map(|_| BrickLv::new(BrickId::random(), DeviceId::random())).collect();
        let (stay, go) = bricks.split_at(12);
        for brick in go {
            run(&append(&lock, &fstab, &line(brick, "rw")));
        }
        std::thread::scope(|scope| {
            for (comes, goes) in stay.iter().zip(go) {
                scope.spawn(|| run(&append(&lock, &fstab, &line(comes, "rw"))));
                scope.spawn(|| run(&delete(&lock, &fstab, goes)));
            }
        });
        let left = std::fs::read_to_string(&fstab).unwrap();
        assert_eq!(left.lines().count(), 1 + stay.len(), "{left}");
        assert!(stay.iter().all(|brick| left.contains(&line(brick, "rw"))));
        assert!(left.starts_with("proc /proc proc defaults 0 0\n"), "{left}");
    }
}
