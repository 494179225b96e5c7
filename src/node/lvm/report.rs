//! LVM's reports of all there is, as typed values.
//!
//! The fields are named, so that the answer is the same in all versions of LVM; `-a` shows the
//! spare that LVM keeps for the metadata of thin pools, which takes space that no brick has.
use super::wrapper;
use crate::{
    domain::Kib,
    node::{Cmd, Ran, Script, Tools},
};
use serde::{Deserialize, de::DeserializeOwned};

/// A physical volume.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Pv {
    /// The path that LVM has it by.
    #[serde(rename = "pv_name")]
    pub name: String,
    /// LVM's name for it.
    #[serde(rename = "pv_uuid")]
    pub uuid: String,
    /// The group that it belongs to; empty for none.
    #[serde(rename = "vg_name")]
    pub group: String,
}

/// A volume group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// All extents.
    pub size: Kib,
    /// One extent.
    pub extent: Kib,
}

/// A logical volume; hidden ones have their names in brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lv {
    /// The group that it lies in.
    pub group: String,
    /// Its name.
    pub name: String,
    /// The thin pool that it lies in; empty for none.
    pub pool: String,
    /// Virtual size of a thin volume, real size of all others.
    pub size: Kib,
    /// Of the metadata of a thin pool, else nothing.
    pub metadata: Kib,
}

/// Asks for all physical volumes, groups and logical volumes, whoever they belong to: three lines,
/// for [`pvs`], [`groups`] and [`lvs`].
#[must_use]
pub fn ask(script: Script, tools: &Tools) -> Script {
    let report = |words: &[&str]| {
        const FORM: [&str; 5] = ["--reportformat", "json", "--units", "k", "--nosuffix"];
        let program = wrapper(tools).chain(["/usr/sbin/lvm"]);
        Cmd::new(program.chain(words.iter().copied()).chain(FORM))
    };
    script
        .then_try(report(&["pvs", "-o", "pv_name,pv_uuid,vg_name"]))
        .then_try(report(&["vgs", "-o", "vg_name,vg_size,vg_extent_size"]))
        .then_try(report(&["lvs", "-a", "-o", "vg_name,lv_name,pool_lv,lv_size,lv_metadata_size"]))
}

/// Reads the answer about physical volumes.
///
/// # Errors
/// LVM failed, or its answer is not of the known form.
pub fn pvs(ran: &Ran) -> Result<Vec<Pv>, String> {
    #[derive(Deserialize)]
    struct Section {
        pv: Vec<Pv>,
    }
    Ok(sections::<Section>(ran)?.into_iter().flat_map(|section| section.pv).collect())
}

/// Reads the answer about volume groups.
///
/// # Errors
/// LVM failed, or its answer is not of the known form.
pub fn groups(ran: &Ran) -> Result<Vec<Group>, String> {
    #[derive(Deserialize)]
    struct Section {
        vg: Vec<Row>,
    }
    #[derive(Deserialize)]
    struct Row {
        #[serde(rename = "vg_name")]
        name: String,
        #[serde(rename = "vg_size")]
        size: String,
        #[serde(rename = "vg_extent_size")]
        extent: String,
    }
    let one = |row: Row| {
        let (size, extent) = (kib(&row.size)?, kib(&row.extent)?);
        Ok(Group { name: row.name, size, extent })
    };
    sections::<Section>(ran)?.into_iter().flat_map(|section| section.vg).map(one).collect()
}

/// Reads the answer about logical volumes.
///
/// # Errors
/// LVM failed, or its answer is not of the known form.
pub fn lvs(ran: &Ran) -> Result<Vec<Lv>, String> {
    #[derive(Deserialize)]
    struct Section {
        lv: Vec<Row>,
    }
    #[derive(Deserialize)]
    struct Row {
        vg_name: String,
        lv_name: String,
        pool_lv: String,
        lv_size: String,
        lv_metadata_size: String,
    }
    let one = |row: Row| {
        let metadata = match row.lv_metadata_size.trim() {
            "" => Kib::ZERO,
            size => kib(size)?,
        };
        let (group, name, pool) = (row.vg_name, row.lv_name, row.pool_lv);
        Ok(Lv { group, name, pool, size: kib(&row.lv_size)?, metadata })
    };
    sections::<Section>(ran)?.into_iter().flat_map(|section| section.lv).map(one).collect()
}

fn sections<T: DeserializeOwned>(ran: &Ran) -> Result<Vec<T>, String> {
    #[derive(Deserialize)]
    struct Answer<T> {
        report: Vec<T>,
    }
    if !ran.ok() {
        return Err(ran.failure());
    }
    let answer: Answer<T> =
        serde_json::from_str(ran.stdout.trim()).map_err(|e| format!("not as expected: {e}"))?;
    Ok(answer.report)
}

/// `4096.00`, with or without the unit: what is behind the point is always nothing.
fn kib(text: &str) -> Result<Kib, String> {
    let whole = text.trim().split(['.', ',']).next().unwrap_or_default().trim_end_matches('k');
    whole.parse().map(Kib).map_err(|_| format!("not a size in KiB: {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(stdout: &str) -> Ran {
        Ran { status: Some(0), stdout: stdout.into(), stderr: String::new() }
    }

    /// As LVM 2.03.16 prints them.
    #[test]
    fn reports_are_typed() {
        let text = r#"  {"report": [ {"vg": [
            {"vg_name":"vg_d", "vg_size":"104722432.00", "vg_extent_size":"4096.00"} ] } ] }"#;
        let group = Group { name: "vg_d".into(), size: Kib(104_722_432), extent: Kib(4096) };
        assert_eq!(groups(&ran(text)).unwrap(), [group]);
        let text = r#"  {"report": [ {"lv": [
            {"vg_name":"vg_d", "lv_name":"brick_b", "pool_lv":"tp_b", "lv_size":"1048576.00", "lv_metadata_size":""},
            {"vg_name":"vg_d", "lv_name":"[lvol0_pmspare]", "pool_lv":"", "lv_size":"8192.00", "lv_metadata_size":""},
            {"vg_name":"vg_d", "lv_name":"tp_b", "pool_lv":"", "lv_size":"1048576.00", "lv_metadata_size":"8192.00"}
            ] } ] }"#;
        let all = lvs(&ran(text)).unwrap();
        assert_eq!(all.len(), 3);
        assert_eq!((all[0].pool.as_str(), all[0].size), ("tp_b", Kib(1_048_576)));
        assert_eq!((all[2].size, all[2].metadata), (Kib(1_048_576), Kib(8192)));
    }
    #[test]
    fn what_is_not_understood_is_no_empty_list() {
        assert!(lvs(&ran("")).is_err());
        assert!(lvs(&ran(r#"{"report":[{"lv":[{"lv_name":"x"}]}]}"#)).is_err());
        assert!(pvs(&Ran { status: Some(5), ..Ran::default() }).is_err());
        let odd = r#"{"report":[{"vg":[{"vg_name":"v","vg_size":"x","vg_extent_size":"4"}]}]}"#;
        assert_eq!(groups(&ran(odd)).unwrap_err(), "not a size in KiB: \"x\"");
    }
}
