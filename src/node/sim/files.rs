//! File systems, mounts, fstab and directories on a simulated node.
use super::world::{FileSystem, Node, Outcome};

pub(super) fn execute(node: &mut Node, argv: &[&str]) -> Outcome {
    match argv {
        ["flock", "-w", _, _, rest @ ..] => execute(node, rest),
        ["mkdir", "-p", path] => {
            mkdir(node, path);
            Ok(String::new())
        }
        ["rmdir", path] => rmdir(node, path),
        // Its lines are whole, and what is written is on disk.
        ["sed", "-i", "$a\\", _] | ["tail", "-c", "1", _] | ["touch", _] | ["sync", ..] => {
            Ok(String::new())
        }
        ["test", "-e", _] => check(!node.fstab.is_empty()),
        ["test", "-d", path] => check(directory_exists(node, path)),
        ["test", "!", "-d", path] => check(!directory_exists(node, path)),
        ["chown" | "chmod", like, path] if like.starts_with("--reference=") => {
            let of = entry(node, like.trim_start_matches("--reference="))?.clone();
            *entry(node, path)? = of;
            Ok(String::new())
        }
        ["mv", "-T", from, to] => {
            let moved = entry(node, from)?.clone();
            *entry(node, to)? = moved;
            let (fs, rest) = node.in_brick(from).ok_or("no such directory")?;
            node.file_systems.entry(fs).or_default().directories.remove(&rest);
            Ok(String::new())
        }
        ["chown", group, path] => set(node, path, |entry| entry.0 = Some((*group).to_owned())),
        ["chmod", mode, path] => set(node, path, |entry| entry.1 = Some((*mode).to_owned())),
        ["blkid", "-p", device] => check(node.file_systems.contains_key(*device)),
        ["mkfs.xfs" | "env", .., device] => mkfs(node, device),
        ["grep", "-qF", "-e", text, "/proc/self/mountinfo"] => {
            check(node.mounts.contains_key(text.trim()))
        }
        ["mount", "-o", _, device, path] => mount(node, device, path),
        ["umount", path] => match node.mounts.remove(*path) {
            Some(_) => Ok(String::new()),
            None => Err(format!("umount: {path}: not mounted.")),
        },
        ["grep", "-qF", "-e", text, _] => check(node.fstab.iter().any(|line| line.contains(text))),
        ["find", .., "-printf", "%p %G %m\\n"] => Ok(brick_directories(node)),
        ["cat", "/proc/self/mounts"] => {
            let line =
                |(point, device): (&String, &String)| format!("{device} {point} xfs rw 0 0\n");
            Ok(node.mounts.iter().map(line).collect())
        }
        ["cat", _] => Ok(node.fstab.join("\n") + "\n"),
        ["awk", _, line, _] => {
            node.fstab.push((*line).to_owned());
            Ok(String::new())
        }
        ["sed", "-i.save", pattern, _] => sed(node, pattern),
        ["wipefs", "--all", device] => {
            if node.pvs.get(*device).is_some_and(|pv| pv.group.is_some()) {
                return Err(format!(
                    "wipefs: error: {device}: probing initialization failed: Device or resource busy"
                ));
            }
            node.foreign.remove(*device);
            node.pvs.remove(*device);
            Ok(String::new())
        }
        ["/usr/bin/udevadm", .., device] => Ok(format!(
            "disk/by-path/sim-{}\n",
            device.trim_start_matches("/dev/").replace('/', "-")
        )),
        other => Err(format!("{}: command not found", other.first().unwrap_or(&""))),
    }
}

/// Path, group and mode of each brick's directory.
fn brick_directories(node: &Node) -> String {
    let line = |(point, device): (&String, &String)| {
        let (group, mode) = node.file_systems.get(device)?.directories.get("/brick")?;
        let group = group.as_deref().unwrap_or(":0").trim_start_matches(':');
        Some(format!("{point}/brick {group} {}\n", mode.as_deref().unwrap_or("755")))
    };
    node.mounts.iter().filter_map(line).collect()
}

fn check(holds: bool) -> Outcome {
    if holds { Ok(String::new()) } else { Err(String::new()) }
}

fn directory_exists(node: &Node, path: &str) -> bool {
    match node.in_brick(path) {
        Some((fs, rest)) => {
            node.file_systems.get(&fs).is_some_and(|fs| fs.directories.contains_key(&rest))
        }
        None => node.directories.contains(path),
    }
}

fn mkdir(node: &mut Node, path: &str) {
    if let Some((fs, rest)) = node.in_brick(path) {
        node.file_systems.entry(fs).or_default().directories.entry(rest).or_default();
        return;
    }
    let mut at = String::new();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        at = format!("{at}/{part}");
        if at.starts_with(crate::node::names::MOUNTS) && at != crate::node::names::MOUNTS {
            node.directories.insert(at.clone());
        }
    }
}

fn rmdir(node: &mut Node, path: &str) -> Outcome {
    let below = format!("{path}/");
    if node.mounts.contains_key(path) {
        Err(format!("rmdir: failed to remove '{path}': Device or resource busy"))
    } else if node.directories.iter().any(|d| d.starts_with(&below)) {
        Err(format!("rmdir: failed to remove '{path}': Directory not empty"))
    } else if node.directories.remove(path) {
        Ok(String::new())
    } else {
        Err(format!("rmdir: failed to remove '{path}': No such file or directory"))
    }
}

type Entry = (Option<String>, Option<String>);

fn set(node: &mut Node, path: &str, change: impl FnOnce(&mut Entry)) -> Outcome {
    change(entry(node, path)?);
    Ok(String::new())
}

fn entry<'a>(node: &'a mut Node, path: &str) -> Result<&'a mut Entry, String> {
    node.in_brick(path)
        .and_then(|(fs, rest)| node.file_systems.get_mut(&fs)?.directories.get_mut(&rest))
        .ok_or_else(|| format!("cannot access '{path}': No such file or directory"))
}

fn mkfs(node: &mut Node, device: &str) -> Outcome {
    let lv = device.strip_prefix("/dev/mapper/").and_then(|name| name.split_once('-'));
    let exists = lv.is_some_and(|(group, name)| {
        node.groups.get(group).is_some_and(|g| g.volumes.contains_key(name))
    });
    if !exists {
        return Err(format!(
            "Error accessing specified device {device}: No such file or directory"
        ));
    }
    if node.mounts.values().any(|mounted| mounted == device) {
        return Err(format!("mkfs.xfs: {device} contains a mounted filesystem"));
    }
    if node.file_systems.contains_key(device) {
        return Err(format!("mkfs.xfs: {device} appears to contain an existing filesystem (xfs)."));
    }
    node.file_systems.insert(device.to_owned(), FileSystem::default());
    Ok(String::new())
}

fn mount(node: &mut Node, device: &str, path: &str) -> Outcome {
    if !node.file_systems.contains_key(device) {
        return Err(format!(
            "mount: {path}: wrong fs type, bad option, bad superblock on {device}"
        ));
    }
    if !node.directories.contains(path) {
        return Err(format!("mount: {path}: mount point does not exist."));
    }
    if node.mounts.contains_key(path) {
        return Err(format!("mount: {path}: {device} already mounted on {path}."));
    }
    node.mounts.insert(path.to_owned(), device.to_owned());
    Ok(String::new())
}

/// Only `/^text[[:space:]]/d`, which is all that is ever sent.
fn sed(node: &mut Node, pattern: &str) -> Outcome {
    let text = pattern.strip_prefix("/^").and_then(|p| p.strip_suffix("[[:space:]]/d"));
    let Some(text) = text else {
        return Err(format!("sed: unknown command: {pattern}"));
    };
    let text = format!("{} ", text.replace("\\/", "/"));
    node.fstab.retain(|line| !line.starts_with(&text));
    Ok(String::new())
}
