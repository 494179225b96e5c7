//! The file system of a brick.
use super::{Script, Tools, When, names::BrickLv, script::Cmd};
use crate::domain::{BrickSize, Kib, Part};
use std::time::Duration;

/// mkfs.xfs of xfsprogs 5.19 and later makes no smaller file system, unless it believes that its
/// own test suite calls it. Arbiter bricks are smaller, and worked for years; older versions take
/// no notice of the variables.
const SMALLEST: Kib = Kib(300 * 1024);
const SMALL: [&str; 4] = ["env", "TEST_DIR=/", "TEST_DEV=/", "QA_CHECK_FS=1"];

/// Formatting a large brick may take a while on a slow disk.
const FORMAT: Duration = Duration::from_mins(10);

/// Formats the brick unless it holds anything (storage.md 1.5-3).
///
/// Asked by `blkid -p`, which reads the device itself and not a cache; and mkfs.xfs without `-f`
/// refuses to overwrite what it recognises.
#[must_use]
pub fn format(
    script: Script,
    tools: &Tools,
    brick: &BrickLv,
    size: BrickSize,
    part: Part,
) -> Script {
    let device = brick.device_node();
    // Room for gluster's extended attributes in the inode; arbiters hold nothing but inodes.
    let inodes = match part {
        Part::Data => "size=512",
        Part::Arbiter => "maxpct=100",
    };
    let mut argv: Vec<String> = vec![];
    if size.brick <= SMALLEST {
        argv.extend(SMALL.map(str::to_owned));
    }
    argv.extend(["mkfs.xfs".to_owned(), "-i".into(), inodes.into()]);
    if let (Part::Data, Some((unit, width))) = (part, tools.xfs_stripe) {
        argv.extend(["-d".to_owned(), format!("su={unit},sw={width}")]);
    }
    argv.extend(["-n".to_owned(), "size=8192".into(), device.clone()]);
    let holds_something = Cmd::new(["blkid", "-p", &device]);
    script.then_when(When::Fails(holds_something), Cmd::new(argv).within(FORMAT))
}
