//! Mount points of bricks and the directories gluster is given (storage.md 1.1, 1.5, 1.6).
use super::{
    Script, Tools, When,
    names::{BrickLv, MOUNTS, group},
    script::Cmd,
};
use crate::domain::DeviceId;

/// Makes the mount point.
#[must_use]
pub fn prepare(script: Script, brick: &BrickLv) -> Script {
    script.then(Cmd::new(["mkdir", "-p", &brick.mount_point()]))
}

/// Mounts the brick unless it is mounted.
#[must_use]
pub fn mount(script: Script, tools: &Tools, brick: &BrickLv) -> Script {
    let argv = ["mount", "-o", &tools.mount_options, &brick.device_node(), &brick.mount_point()];
    script.then_when(When::Fails(mounted(brick)), Cmd::new(argv))
}

/// Makes the directory for gluster, writable for the group when there is one. It is on disk
/// afterwards: XFS keeps such changes in memory for up to half a minute, and gluster does not
/// start a brick whose directory a power cut has taken.
#[must_use]
pub fn directory(script: Script, brick: &BrickLv, gid: i64) -> Script {
    let directory = brick.directory();
    let mut script = script.then(Cmd::new(["mkdir", "-p", &directory]));
    if gid != 0 {
        script = script
            .then(Cmd::new(["chown", &format!(":{gid}"), &directory]))
            .then(Cmd::new(["chmod", "2775", &directory]));
    }
    flush(script, brick)
}

/// Fails unless the brick is mounted and holds the directory that gluster was given.
#[must_use]
pub fn is_there(script: Script, brick: &BrickLv) -> Script {
    script.then(mounted(brick)).then(Cmd::new(["test", "-d", &brick.directory()]))
}

/// Puts on disk what gluster has written to the brick: without its marks on the directory it does
/// not start the brick any more after a power cut (seen on GlusterFS 10.3).
#[must_use]
pub fn flush(script: Script, brick: &BrickLv) -> Script {
    script.then(Cmd::new(["sync", "-f", &brick.directory()]))
}

/// Asks whether gluster has ever worked with the brick: its first start makes this directory.
#[must_use]
pub fn ask_started(script: Script, brick: &BrickLv) -> Script {
    script.then_try(Cmd::new(["test", "-d", &format!("{}/00", marks(brick))]))
}

/// Makes the directory that gluster makes in a new brick before its first start, and without which
/// it never starts it. Only where the brick is mounted: elsewhere it is missing for good reason.
#[must_use]
pub fn restore_marks(script: Script, brick: &BrickLv) -> Script {
    script.then(mounted(brick)).then(Cmd::new(["mkdir", "-p", "-m", "0600", &marks(brick)]))
}

/// Puts an empty directory in the place of one that gluster has marked and never worked with, with
/// its owner and mode. The marks cannot be told apart from those of a brick in use by gluster, so
/// it would refuse it for ever. A directory that is not empty stays, and the script fails.
#[must_use]
pub fn renew_directory(script: Script, brick: &BrickLv) -> Script {
    let (old, fresh) = (brick.directory(), format!("{}.new", brick.directory()));
    let like = format!("--reference={old}");
    script
        .then(mounted(brick))
        .then(Cmd::new(["test", "!", "-d", &format!("{}/00", marks(brick))]))
        .then(Cmd::new(["mkdir", "-p", &fresh]))
        .then(Cmd::new(["chown", &like, &fresh]))
        .then(Cmd::new(["chmod", &like, &fresh]))
        .then_try(Cmd::new(["rmdir", &marks(brick)]))
        // Renaming over a directory succeeds only if that one is empty.
        .then(Cmd::new(["mv", "-T", &fresh, &old]))
        .then(Cmd::new(["sync", "-f", &old]))
}

fn marks(brick: &BrickLv) -> String {
    format!("{}/.glusterfs", brick.directory())
}

/// Unmounts the brick if it is mounted.
#[must_use]
pub fn unmount(script: Script, brick: &BrickLv) -> Script {
    script.then_when(When::Succeeds(mounted(brick)), Cmd::new(["umount", &brick.mount_point()]))
}

/// Removes the empty mount point; one that is not empty stays, since nobody knows what is in it.
#[must_use]
pub fn forget(script: Script, brick: &BrickLv) -> Script {
    let point = brick.mount_point();
    let script = remove_empty(script, &point);
    match point.rsplit_once('/') {
        // gluster gives each clone a directory, and leaves it.
        Some((clone, _)) if !brick.is_in_fstab() => remove_empty(script, clone),
        _ => script,
    }
}

/// Removes the empty directory that held a device's mount points.
#[must_use]
pub fn forget_device(script: Script, device: DeviceId) -> Script {
    remove_empty(script, &format!("{MOUNTS}/{}", group(device)))
}

fn remove_empty(script: Script, directory: &str) -> Script {
    let there = When::Succeeds(Cmd::new(["test", "-d", directory]));
    script.then_try_when(there, Cmd::new(["rmdir", directory]))
}

/// Lists what is mounted, from the kernel's list.
#[must_use]
pub fn list(script: Script) -> Script {
    script.then_try(Cmd::new(["cat", "/proc/self/mounts"]))
}

/// Read from the kernel's list: looking at the path itself fails on a file system that has shut
/// down, and would then seem to say that it is not mounted.
fn mounted(brick: &BrickLv) -> Cmd {
    Cmd::new(["grep", "-qF", "-e", &format!(" {} ", brick.mount_point()), "/proc/self/mountinfo"])
}
