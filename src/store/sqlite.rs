//! What SQLite's errors mean to a person.

/// SQLite's primary result codes (sqlite.org/rescode.html).
const READONLY: i32 = 8;
const IOERR: i32 = 10;
pub(super) const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANTOPEN: i32 = 14;
const NOTADB: i32 = 26;

/// The primary result code of an error of SQLite itself.
pub(super) fn code(error: &sqlx::Error) -> Option<i32> {
    let code = error.as_database_error()?.code()?.parse::<i32>().ok()?;
    Some(code & 0xff)
}

/// The file or its folder cannot be written; reading may well work.
pub(super) fn is_about_writing(code: i32) -> bool {
    [READONLY, IOERR, FULL, CANTOPEN].contains(&code)
}

/// What a person can do about an error of the database, where that is known.
#[must_use]
pub fn advice(error: &sqlx::Error) -> Option<&'static str> {
    match code(error)? {
        FULL => Some("free some space where the database lies; nothing is lost"),
        READONLY | CANTOPEN => Some("the database must be writable; nothing is lost"),
        IOERR => Some("look at the disk of the database and the kernel's log"),
        CORRUPT | NOTADB => Some(
            "it is damaged; stop the server, save a copy of the database, then restore a backup or \
             repair it: `sqlite3 FILE .recover | sqlite3 NEW`",
        ),
        _ => None,
    }
}
