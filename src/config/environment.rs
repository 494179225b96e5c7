//! The environment, asked by name; empty and not set are the same.
use super::ConfigError;
use std::str::FromStr;

pub(super) struct Environment<'a> {
    variable: &'a dyn Fn(&str) -> Option<String>,
}

impl<'a> Environment<'a> {
    pub(super) fn new(variable: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { variable }
    }
    pub(super) fn text(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|text| !text.is_empty())
    }
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.text(name).is_some()
    }
    /// A number, if the variable is set.
    ///
    /// # Errors
    /// It is set to something else.
    pub(super) fn number<T: FromStr>(&self, name: &'static str) -> Result<Option<T>, ConfigError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let wrong =
            |_| ConfigError::Value { key: name, why: format!("`{text}` is no number here") };
        text.parse().map(Some).map_err(wrong)
    }
    /// A yes or no by its first letter: y, Y, 1 or n, N, 0; anything else counts as not set.
    pub(super) fn initial(&self, name: &str) -> Option<bool> {
        match self.text(name)?.chars().next()? {
            'y' | 'Y' | '1' => Some(true),
            'n' | 'N' | '0' => Some(false),
            _ => None,
        }
    }
    /// A boolean as Go reads it; anything else counts as not set.
    pub(super) fn boolean(&self, name: &str) -> Option<bool> {
        match self.text(name)?.as_str() {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
            _ => None,
        }
    }
}
