//! From SQL values to typed ones, and back.
use crate::{
    domain::{Gib, Kib},
    error::Result,
};
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{Row, sqlite::SqliteRow};
use std::{fmt::Display, str::FromStr};

/// A column holds something that none of our versions wrote.
#[derive(Debug, thiserror::Error)]
#[error("column {column}: {why}")]
pub struct BadRow {
    column: &'static str,
    why: String,
}

fn bad<E: Display>(column: &'static str) -> impl FnOnce(E) -> BadRow {
    move |why| BadRow { column, why: why.to_string() }
}

/// An id, name or state.
pub(super) fn parsed<T>(row: &SqliteRow, column: &'static str) -> Result<T>
where
    T: FromStr<Err: Display>,
{
    let text: String = row.try_get(column)?;
    Ok(text.parse().map_err(bad(column))?)
}
/// The same, where there may be none.
pub(super) fn parsed_opt<T>(row: &SqliteRow, column: &'static str) -> Result<Option<T>>
where
    T: FromStr<Err: Display>,
{
    let text: Option<String> = row.try_get(column)?;
    Ok(text.map(|text| text.parse().map_err(bad(column))).transpose()?)
}
/// A list or map.
pub(super) fn json<T: DeserializeOwned>(row: &SqliteRow, column: &'static str) -> Result<T> {
    let text: String = row.try_get(column)?;
    Ok(serde_json::from_str(&text).map_err(bad(column))?)
}
/// A size.
pub(super) fn kib(row: &SqliteRow, column: &'static str) -> Result<Kib> {
    let number: i64 = row.try_get(column)?;
    Ok(Kib(number.try_into().map_err(bad(column))?))
}
/// A size.
pub(super) fn gib(row: &SqliteRow, column: &'static str) -> Result<Gib> {
    let number: i64 = row.try_get(column)?;
    Ok(Gib(number.try_into().map_err(bad(column))?))
}

/// For a list or map that is stored as JSON.
pub(super) fn to_json<T: Serialize>(value: &T) -> Result<String> {
    Ok(serde_json::to_string(value)?)
}
/// SQLite's integers are signed; sizes beyond fit no disk.
pub(super) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
