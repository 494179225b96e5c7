//! Listening to a script that was sent to a node, however it was sent: limits of time and size, and
//! what is said to the caller when its end was not heard.
use super::{NodeError, Ran, Result, Script, render};
use crate::domain::Hostname;
use std::{io, time::Duration};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Beyond what a command may take on the node: the way there and back.
pub(super) const GRACE: Duration = Duration::from_secs(30);
/// More than any answer that makes sense.
pub(super) const LONGEST_ANSWER: usize = 64 * 1024 * 1024;

/// Everything that a script has said.
#[derive(Default)]
pub(super) struct Said {
    pub(super) out: Vec<u8>,
    pub(super) err: Vec<u8>,
}

impl Said {
    /// What each command of the script has said.
    ///
    /// # Errors
    /// As [`render::Rendered::read`].
    pub(super) fn read(
        &self,
        rendered: &render::Rendered<'_>,
        status: Option<i32>,
    ) -> Result<Vec<Ran>> {
        let [out, err] = [&self.out, &self.err].map(|said| String::from_utf8_lossy(said));
        rendered.read(status, &out, &err)
    }
}

/// Why the end of a script was not heard.
pub(super) enum Deaf {
    /// The connection broke, or whoever carries the script ended it: in these words.
    Broken(String),
    /// Nothing came for so long.
    Silent(Duration),
    /// No answer is that long.
    TooMuch,
}

impl Deaf {
    /// The script was sent, and has perhaps done all that it should.
    pub(super) fn told(self, host: &Hostname, script: &Script) -> NodeError {
        let (host, command) = (host.clone(), script.brief());
        let why = match self {
            Self::Broken(why) => why,
            Self::Silent(limit) => format!("no sign of life for {} s", limit.as_secs()),
            Self::TooMuch => {
                let why = format!("more than {LONGEST_ANSWER} bytes");
                return NodeError::Nonsense { host, command, why };
            }
        };
        NodeError::InDoubt { host, command, why }
    }
}

/// Listens until both outputs have ended. Each command ends with a mark, so a node that is silent
/// for longer than any one command may take is not at work any more, however long the script is.
///
/// # Errors
/// [`Deaf`].
pub(super) async fn listen(
    mut stdout: Option<impl AsyncRead + Unpin>,
    mut stderr: Option<impl AsyncRead + Unpin>,
    script: &Script,
    mut marks: render::Marks<'_>,
) -> Result<Said, Deaf> {
    let Said { mut out, mut err } = Said::default();
    while stdout.is_some() || stderr.is_some() {
        // The first sign comes when the lock is taken.
        let waiting = out.is_empty() && err.is_empty() && script.lock.is_some();
        let limit = GRACE + if waiting { render::LOCK_WAIT } else { script.silence() };
        let read = tokio::time::timeout(limit, async {
            tokio::select! {
                read = next(&mut stdout, &mut out) => read,
                read = next(&mut stderr, &mut err) => read,
            }
        });
        let read = read.await.map_err(|_| Deaf::Silent(limit))?;
        read.map_err(|error| Deaf::Broken(format!("connection lost: {error}")))?;
        marks.hear(&out);
        if out.len() + err.len() > LONGEST_ANSWER {
            return Err(Deaf::TooMuch);
        }
    }
    Ok(Said { out, err })
}

/// Reads what comes next; the pipe is gone at its end.
async fn next<R: AsyncRead + Unpin>(pipe: &mut Option<R>, into: &mut Vec<u8>) -> io::Result<()> {
    match pipe {
        None => std::future::pending().await,
        Some(open) => {
            if open.read_buf(into).await? == 0 {
                *pipe = None;
            }
            Ok(())
        }
    }
}
