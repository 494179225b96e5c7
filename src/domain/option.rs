//! Volume options: `"key value"` strings that reach gluster, some of which steer us (api.md 11.5).
use serde::{Deserialize, Serialize};
use std::fmt;

/// One volume option as the client wrote it, without control characters.
///
/// Empty options exist in Heketi's answers (an unset configuration string contributes one); they
/// are kept for display and skipped when options are set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VolumeOption(String);

/// The option cannot be handed to gluster as what it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadOption {
    /// It would end the line of a session.
    #[error("a volume option holds a control character")]
    ControlCharacter,
    /// It would be taken for an option of the gluster command itself.
    #[error("a word of a volume option begins with two dashes")]
    Dashes,
}

impl VolumeOption {
    /// The words of the option: the key, then its value. None for an empty option.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.0.split_ascii_whitespace()
    }
    /// Key and the rest, when there is a key.
    #[must_use]
    pub fn key_value(&self) -> Option<(&str, &str)> {
        let text = self.0.trim();
        if text.is_empty() {
            return None;
        }
        Some(
            text.split_once(|c: char| c.is_ascii_whitespace())
                .map_or((text, ""), |(k, v)| (k, v.trim())),
        )
    }
    /// A comma list of a configuration key; an empty string yields one empty option, as Heketi's
    /// answers show (storage.md 1.7).
    ///
    /// # Errors
    /// An element with a control character.
    pub fn list(text: &str) -> Result<Vec<Self>, BadOption> {
        text.split(',').map(|o| Self::try_from(o.to_owned())).collect()
    }
}

impl TryFrom<String> for VolumeOption {
    type Error = BadOption;
    fn try_from(text: String) -> Result<Self, BadOption> {
        if text.chars().any(char::is_control) {
            return Err(BadOption::ControlCharacter);
        }
        if text.split_ascii_whitespace().any(|word| word.starts_with("--")) {
            return Err(BadOption::Dashes);
        }
        Ok(Self(text))
    }
}
impl From<VolumeOption> for String {
    fn from(option: VolumeOption) -> Self {
        option.0
    }
}
impl fmt::Display for VolumeOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the options ask of the placement; the last occurrence of a key wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Steering {
    /// `user.heketi.arbiter`: the third brick of each set only holds names and attributes.
    pub arbiter: bool,
    /// `user.heketi.average-file-size` in KiB, when it is a positive number.
    pub average_file_size: Option<u64>,
    /// `user.heketi.zone-checking` as written.
    pub zone_checking: Option<String>,
    /// `user.heketi.device-tag-match` as written.
    pub device_tag_match: Option<String>,
}

impl Steering {
    /// Reads the keys that concern placement.
    #[must_use]
    pub fn of(options: &[VolumeOption]) -> Self {
        let mut found = Self::default();
        for (key, value) in options.iter().filter_map(VolumeOption::key_value) {
            match key {
                "user.heketi.arbiter" => {
                    found.arbiter = matches!(value, "1" | "t" | "T" | "TRUE" | "true" | "True");
                }
                "user.heketi.average-file-size" => {
                    found.average_file_size = value.parse().ok().filter(|n| *n > 0);
                }
                "user.heketi.zone-checking" => found.zone_checking = Some(value.to_owned()),
                "user.heketi.device-tag-match" => found.device_tag_match = Some(value.to_owned()),
                _ => {}
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(list: &[&str]) -> Vec<VolumeOption> {
        list.iter().map(|o| VolumeOption::try_from((*o).to_owned()).unwrap()).collect()
    }

    #[test]
    fn the_last_occurrence_of_a_key_wins() {
        let steering = Steering::of(&options(&[
            "user.heketi.arbiter true",
            "user.heketi.average-file-size 128",
            "performance.cache-size 1GB",
            "user.heketi.arbiter false",
            "user.heketi.zone-checking  strict ",
            "",
        ]));
        assert!(!steering.arbiter);
        assert_eq!(steering.average_file_size, Some(128));
        assert_eq!(steering.zone_checking.as_deref(), Some("strict"));
    }
    #[test]
    fn a_line_break_cannot_be_smuggled_into_an_option() {
        assert!(VolumeOption::try_from("a b\nvolume delete x".to_owned()).is_err());
        assert!(VolumeOption::try_from("a b --log-file=/etc/x".to_owned()).is_err());
    }
    #[test]
    fn an_empty_list_is_one_empty_option() {
        assert_eq!(VolumeOption::list("").unwrap(), options(&[""]));
        assert_eq!(VolumeOption::list("a b,c").unwrap(), options(&["a b", "c"]));
    }
}
