//! What a node has, asked for in one script that changes nothing (storage.md 1.13).
use super::{
    Lane, Ran, Script, Tools, fstab,
    gluster::{self, VolumeReport},
    lvm, mount,
};
use serde_json::Value;
use std::time::Duration;

/// No command of it takes as long as this on a node that is well.
pub(super) const LONGEST: Duration = Duration::from_mins(1);

/// What a node has; each part as far as the node could tell, or why it could not.
#[derive(Clone, Debug)]
pub struct Survey {
    /// The volumes of its gluster pool.
    pub volumes: Result<Vec<VolumeReport>, String>,
    /// LVM's report of physical volumes, as it is.
    pub pvs: Result<Value, String>,
    /// LVM's report of volume groups.
    pub vgs: Result<Value, String>,
    /// LVM's report of logical volumes.
    pub lvs: Result<Value, String>,
    /// What is mounted.
    pub mounts: Result<Vec<Mounted>, String>,
    /// What is to be mounted at boot.
    pub fstab: Result<Vec<Mounted>, String>,
}

/// A device and the place where it is mounted, or is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mounted {
    /// The block device.
    pub device: String,
    /// The directory.
    pub point: String,
}

/// The questions; beside all work, so that nobody waits for them.
#[must_use]
pub fn script(tools: &Tools) -> Script {
    let script = gluster::info_of_all(Script::reading().lane(Lane::Health), tools);
    let script = mount::list(lvm::list(script, tools));
    fstab::list(script, tools).limited(LONGEST)
}

impl Survey {
    /// Reads the answers to [`script`].
    #[must_use]
    pub fn read(ran: &[Ran]) -> Self {
        let nothing = Ran::default();
        let answer = |n: usize| ran.get(n).unwrap_or(&nothing);
        Self {
            volumes: gluster::volumes(answer(0)).map_err(|e| e.to_string()),
            pvs: report(answer(1)),
            vgs: report(answer(2)),
            lvs: report(answer(3)),
            mounts: table(answer(4)),
            fstab: table(answer(5)),
        }
    }

    /// Names of logical volumes with their groups.
    #[must_use]
    pub fn logical_volumes(&self) -> Option<Vec<(String, String)>> {
        let reports = self.lvs.as_ref().ok()?.get("report")?.as_array()?;
        let rows = reports.iter().filter_map(|report| report.get("lv")?.as_array()).flatten();
        let text = |row: &Value, field| Some(row.get(field)?.as_str()?.trim().to_owned());
        Some(rows.filter_map(|row| Some((text(row, "vg_name")?, text(row, "lv_name")?))).collect())
    }
}

fn report(ran: &Ran) -> Result<Value, String> {
    if !ran.ok() {
        return Err(ran.failure());
    }
    serde_json::from_str(ran.stdout.trim()).map_err(|e| format!("not JSON: {e}"))
}

/// Lines of fstab(5), which those of /proc/self/mounts are as well.
pub(super) fn table(ran: &Ran) -> Result<Vec<Mounted>, String> {
    if !ran.ok() {
        return Err(ran.failure());
    }
    let entry = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let device = words.next().filter(|word| !word.starts_with('#'))?;
        Some(Mounted { device: device.to_owned(), point: words.next()?.to_owned() })
    };
    Ok(ran.stdout.lines().filter_map(entry).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(status: i32, stdout: &str, stderr: &str) -> Ran {
        Ran { status: Some(status), stdout: stdout.into(), stderr: stderr.into() }
    }

    #[test]
    fn a_part_that_fails_leaves_the_others() {
        let lvs = r#"  {"report":[{"lv":[{"lv_name":"brick_b","vg_name":"vg_d","lv_size":"1024.00k"}]}]}"#;
        let survey = Survey::read(&[
            ran(1, "Connection failed. Please check if gluster daemon is operational.\n", ""),
            ran(0, r#"{"report":[{"pv":[]}]}"#, "  WARNING: of no interest"),
            ran(5, "", "  lock failed\n"),
            ran(0, lvs, ""),
            ran(0, "/dev/vda1 / ext4 rw 0 0\nproc /proc proc rw 0 0\n", ""),
        ]);
        let down = "Connection failed. Please check if gluster daemon is operational.";
        assert_eq!(survey.volumes.as_ref().unwrap_err(), down);
        assert!(survey.pvs.is_ok());
        assert_eq!(survey.vgs.as_ref().unwrap_err(), "lock failed");
        assert_eq!(survey.logical_volumes().unwrap(), [("vg_d".to_owned(), "brick_b".to_owned())]);
        assert_eq!(survey.mounts.as_ref().unwrap().len(), 2);
        assert_eq!(survey.fstab.as_ref().unwrap_err(), "it was not run");
    }
    #[test]
    fn comments_mount_nothing() {
        let text = "# a comment\n\n/dev/mapper/vg_d-brick_b /mnt/b xfs rw 1 2\nhalf\n";
        let b = Mounted { device: "/dev/mapper/vg_d-brick_b".into(), point: "/mnt/b".into() };
        assert_eq!(table(&ran(0, text, "")).unwrap(), [b]);
    }

    /// As GlusterFS 10.3 prints it, without what nobody reads.
    #[test]
    fn all_volumes_of_a_pool() {
        let answered = |body: &str| Ran {
            status: Some(0),
            stdout: format!(
                "<?xml version=\"1.0\"?>\n<cliOutput><opRet>0</opRet><opErrno>0</opErrno>\
                 <opErrstr/>{body}</cliOutput>"
            ),
            stderr: String::new(),
        };
        let volume = |name: &str, status: &str| {
            format!(
                "<volume><name>{name}</name><id>x</id><status>1</status><statusStr>{status}</statusStr>\
                 <bricks><brick uuid=\"u\">h:/b<name>h:/b</name><hostUuid>u</hostUuid></brick></bricks>\
                 <optCount>1</optCount><options><option><name>nfs.disable</name><value>on</value>\
                 </option></options></volume>"
            )
        };
        let two = volume("b", "Started") + &volume("a", "Stopped");
        let answer = format!("<volInfo><volumes>{two}<count>2</count></volumes></volInfo>");
        let all = gluster::volumes(&answered(&answer)).unwrap();
        let names: Vec<_> = all.iter().map(|v| (v.name.as_str(), v.status.as_str())).collect();
        assert_eq!(names, [("a", "Stopped"), ("b", "Started")]);
        assert_eq!(
            (all[0].bricks[0].as_str(), all[0].options["nfs.disable"].as_str()),
            ("h:/b", "on")
        );
        let none = answered("<volInfo><volumes><count>0</count></volumes></volInfo>");
        assert_eq!(gluster::volumes(&none).unwrap(), []);
        let down =
            Ran { status: Some(1), stdout: "Connection failed.".into(), stderr: String::new() };
        assert_eq!(gluster::volumes(&down).unwrap_err().0, "Connection failed.");
    }
}
