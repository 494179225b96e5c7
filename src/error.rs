//! What can go wrong with a request, and the one place where that becomes a status and a text.
//!
//! The texts are part of Heketi's contract (api.md 2): clients match on some of them, people read
//! all of them. Internal detail goes to the log, never to a client.
use crate::{node::NodeError, placement::Refusal, store};

/// Why a request or an operation did not succeed. The HTTP status stands on each variant.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// 401: the token is missing or wrong, or its owner may not do this.
    #[error("{0}")]
    Unauthorized(String),
    /// 404: nothing has this id.
    #[error("{0}")]
    NotFound(String),
    /// 400: the request can never succeed like this.
    #[error("{0}")]
    Invalid(String),
    /// 422: the body is not JSON of the expected shape; the detail is for the log.
    #[error("request unable to be parsed")]
    Unparsable(String),
    /// 422: the body is of the expected shape, and says something that makes no sense.
    #[error("{0}")]
    Senseless(String),
    /// 413: the body is larger than anybody needs.
    #[error("request body exceeds {0} bytes")]
    TooLarge(usize),
    /// 409: the object is in use.
    #[error("{0}")]
    Conflict(String),
    /// 429: too many operations are running.
    #[error("Server busy. Retry operation later.")]
    Busy,
    /// 503: changes are not allowed at present.
    #[error("Service disabled for maintenance")]
    Maintenance,
    /// 503: the server is ending.
    #[error("The server is shutting down. Retry operation later.")]
    ShuttingDown,
    /// 503: another server works at present.
    #[error("This server stands by; {0}. Retry operation later.")]
    StandsBy(String),
    /// 503: what was done is not yet where whoever takes over would look for it.
    #[error(
        "The backup of the server does not have this yet: {0}. What was asked for may be carried \
         out all the same: look before asking again"
    )]
    NotKept(String),
    /// 500: the request was understood and cannot be carried out now.
    #[error("{0}")]
    Refused(String),
    /// 500: another operation is working on the object.
    #[error("The target exists, contains other items, or is in use.")]
    InUse,
    /// 500: there is no place for the bricks.
    #[error(transparent)]
    Placement(#[from] Refusal),
    /// 500: a node did not do what it was asked.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// 500: the database failed; the client learns only that.
    #[error("The database of the server failed: {}", brief(.0))]
    Store(#[from] sqlx::Error),
    /// 500: the database is only read, since the server started with one that cannot be written.
    #[error("The database of the server is read-only: {0}")]
    Barred(String),
    /// 500: a stored record cannot be read, by a defect or a newer version's hand.
    #[error("A record in the database cannot be read: {0}")]
    Record(String),
}

/// A result of a request or an operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// 404 with the text that Kubernetes' provisioner compares.
    #[must_use]
    pub fn id_not_found() -> Self {
        Self::NotFound("Id not found".into())
    }
    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Invalid(_) => 400,
            Self::Unauthorized(_) => 401,
            Self::NotFound(_) => 404,
            Self::Conflict(_) => 409,
            Self::TooLarge(_) => 413,
            Self::Unparsable(_) | Self::Senseless(_) => 422,
            Self::Busy => 429,
            Self::Refused(_)
            | Self::InUse
            | Self::Placement(_)
            | Self::Node(_)
            | Self::Store(_)
            | Self::Barred(_)
            | Self::Record(_) => 500,
            Self::Maintenance | Self::ShuttingDown | Self::StandsBy(_) | Self::NotKept(_) => 503,
        }
    }
    /// The same, introduced by what was being attempted, if the status is 500.
    #[must_use]
    pub fn during(self, attempt: &str) -> Self {
        if attempt.is_empty() || self.status() != 500 {
            return self;
        }
        Self::Refused(format!("{attempt}: {self}"))
    }
}

/// An error with its causes, in one line; many say it all again with theirs.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        source = cause.source();
    }
    text.replace('\n', " ")
}

/// SQLite's own words, without the statement.
fn brief(error: &sqlx::Error) -> String {
    let words = match error {
        sqlx::Error::Database(database) => database.message().to_owned(),
        other => other.to_string(),
    };
    match store::advice(error) {
        None => words,
        Some(advice) => format!("{words} ({advice})"),
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Record(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts and statuses that clients know.
    #[test]
    fn variant_status_text() {
        let table = [
            (Error::id_not_found(), 404, "Id not found"),
            (Error::Invalid("Unknown durability type".into()), 400, "Unknown durability type"),
            (Error::Unparsable("line 1".into()), 422, "request unable to be parsed"),
            (Error::TooLarge(10), 413, "request body exceeds 10 bytes"),
            (Error::Conflict("in use".into()), 409, "in use"),
            (Error::Busy, 429, "Server busy. Retry operation later."),
            (Error::InUse, 500, "The target exists, contains other items, or is in use."),
            (Error::Placement(Refusal::NoNodes), 500, "No nodes in cluster"),
            (
                Error::Placement(Refusal::NoDevices).during("Failed to allocate new volume"),
                500,
                "Failed to allocate new volume: No online storage devices in cluster",
            ),
            (Error::Busy.during("anything"), 429, "Server busy. Retry operation later."),
        ];
        for (error, status, text) in table {
            assert_eq!((error.status(), error.to_string().as_str()), (status, text));
        }
    }
}
