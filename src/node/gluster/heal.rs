//! What waits to be healed: `gluster volume heal NAME info`.
//!
//! A brick lists what it has and others of its set lack. One that is not connected has `-` for the
//! number of entries, and may have no name either (storage.md 1.10).
use super::{BadAnswer, BrickAddress, CliOutput};
use crate::node::Ran;
use std::collections::BTreeMap;

/// The bricks that answered, with what each has and others lack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HealState {
    entries: BTreeMap<String, u64>,
    /// Bricks that did not answer.
    pub away: usize,
}

/// What is known of one brick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Healing {
    /// It did not answer.
    Away,
    /// It has so many files that others of its set lack, in whole or in part.
    Source(u64),
}

impl HealState {
    /// Reads the answer of [`super::heal_info`].
    ///
    /// # Errors
    /// gluster failed, or its answer is not of the known form.
    pub fn read(ran: &Ran) -> Result<Self, BadAnswer> {
        let answer = CliOutput::read(ran)?;
        if let Some(text) = answer.failure {
            return Err(BadAnswer(text));
        }
        let Some(info) = answer.heal_info else {
            return Err(BadAnswer("the answer has no healInfo".into()));
        };
        let mut state = Self::default();
        for brick in info.bricks.brick {
            match brick.number_of_entries.trim() {
                "-" => state.away += 1,
                number => {
                    let entries = number.parse().map_err(|_| {
                        BadAnswer(format!("{}: {number:?} is no number of entries", brick.name))
                    })?;
                    state.entries.insert(brick.name, entries);
                }
            }
        }
        Ok(state)
    }
    /// What is known of this brick.
    #[must_use]
    pub fn of(&self, brick: &BrickAddress) -> Healing {
        self.entries.get(&brick.to_string()).map_or(Healing::Away, |n| Healing::Source(*n))
    }
    /// Everything that waits to be healed in the volume; what several bricks have counts for each.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.entries.values().copied().fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brick(n: u8) -> BrickAddress {
        BrickAddress { host: format!("10.0.0.{n}").parse().unwrap(), path: format!("/b/{n}") }
    }
    fn read(text: &str) -> Result<HealState, BadAnswer> {
        let stdout = format!("<?xml version=\"1.0\"?>\n<cliOutput>{text}</cliOutput>\n");
        HealState::read(&Ran { status: Some(0), stdout, stderr: String::new() })
    }

    /// The form of GlusterFS 10.3, with and without a name for the brick that is away.
    #[test]
    fn entries_of_each_brick() {
        let state = read(
            r#"<healInfo><bricks>
<brick hostUuid="a"><name>10.0.0.1:/b/1</name><file gfid="x">/f1</file><file gfid="y">/f2</file>
<status>Connected</status><totalNumberOfEntries>2</totalNumberOfEntries>
<numberOfEntries>2</numberOfEntries></brick>
<brick hostUuid="b"><name>10.0.0.2:/b/2</name><status>Connected</status>
<numberOfEntries>0</numberOfEntries></brick>
<brick hostUuid="-"><name>information not available</name>
<status>Transport endpoint is not connected</status><numberOfEntries>-</numberOfEntries></brick>
<brick hostUuid="c"><name>10.0.0.4:/b/4</name>
<status>Transport endpoint is not connected</status><numberOfEntries>-</numberOfEntries></brick>
</bricks></healInfo><opRet>0</opRet><opErrno>0</opErrno><opErrstr/>"#,
        )
        .unwrap();
        let known = [1, 2, 3, 4].map(|n| state.of(&brick(n)));
        assert_eq!(known, [Healing::Source(2), Healing::Source(0), Healing::Away, Healing::Away]);
        assert_eq!((state.away, state.total()), (2, 2));
    }
    #[test]
    fn a_failure_is_no_empty_list() {
        let failed =
            "<opRet>-1</opRet><opErrno>2</opErrno><opErrstr>Volume v is not started</opErrstr>";
        assert!(read(failed).unwrap_err().0.contains("is not started"));
        assert!(read("<opRet>0</opRet><opErrno>0</opErrno><opErrstr/>").is_err());
        let strange = "<healInfo><bricks><brick><name>x</name><numberOfEntries>many</numberOfEntries>\
             </brick></bricks></healInfo><opRet>0</opRet><opErrno>0</opErrno><opErrstr/>";
        assert!(read(strange).is_err());
    }
}
