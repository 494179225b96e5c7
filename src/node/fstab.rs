//! The file that mounts bricks at boot: one line a brick, added once, found by the brick's id.
use super::{Script, Tools, When, lvm::BrickLv, script::Cmd};

/// Adds the brick's line unless it is there (storage.md 1.5-4).
#[must_use]
pub fn add(script: Script, tools: &Tools, brick: &BrickLv) -> Script {
    let (fstab, options) = (tools.fstab.as_str(), &tools.mount_options);
    let line = format!("{} {} xfs {options} 1 2", brick.device_node(), brick.mount_point());
    // awk appends by itself: no redirection, so no shell, and sudo covers it.
    let append = Cmd::new(["awk", "BEGIN {print ARGV[1] >> ARGV[2]}", &line, fstab]);
    script.then_when(When::Fails(has(fstab, brick)), append)
}

/// Removes the brick's line, if there is one; a backup `<fstab>.save` stays, as with Heketi.
#[must_use]
pub fn remove(script: Script, tools: &Tools, brick: &BrickLv) -> Script {
    let fstab = tools.fstab.as_str();
    let delete = format!("/{}[[:space:]]/d", brick.name());
    script
        .then_when(When::Succeeds(has(fstab, brick)), Cmd::new(["sed", "-i.save", &delete, fstab]))
}

/// The brick's logical volume stands at the end of its device node, so a space follows it.
fn has(fstab: &str, brick: &BrickLv) -> Cmd {
    Cmd::new(["grep", "-qF", "-e", &format!("{} ", brick.name()), fstab])
}
