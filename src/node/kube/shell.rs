//! A shell in a container, over the exec API.
//!
//! The script travels on its standard input and not as an argument: arguments are part of the
//! address of the request, which the client limits to 64 KiB and proxies to less, which stands in
//! audit logs, and of which the kernel takes 128 KiB a piece. The protocol (v4.channel.k8s.io)
//! cannot close an input, so the script tells its own end, and one that is cut off is not done in
//! part ([`Rendered::input`](super::render::Rendered::input)).
//!
//! The shell says when it is ready, and only then the script is sent. An exec passes through the
//! API server, a kubelet and a container runtime, and which of them accepts it before or after a
//! later one has failed differs between versions; this line does not: before it, nothing was begun.
use super::{
    hear::{self, Deaf, GRACE, Said},
    pod::Place,
    render::{Marks, READY, WAITING},
};
use crate::{error::chain, node::Script};
use ::kube::{
    Api,
    api::{AttachParams, AttachedProcess},
};
use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::Status};
use std::{pin::Pin, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, SimplexStream, WriteHalf},
    time::timeout,
};

/// Output on its way that was not read yet.
const BUFFER: usize = 64 * 1024;
/// For words of which the end has come already.
const MOMENT: Duration = Duration::from_secs(2);

/// A shell that waits for a script.
pub(super) struct Shell {
    /// Dropping it ends the connection.
    process: AttachedProcess,
    /// Stays open: with the fourth version of the protocol its end would be that of the connection.
    input: WriteHalf<SimplexStream>,
    out: ReadHalf<SimplexStream>,
    err: ReadHalf<SimplexStream>,
    end: End,
}

/// Comes when the command has ended; none when the connection has ended before.
type End = Pin<Box<dyn Future<Output = Option<Status>> + Send>>;

/// Why there is no shell. Nothing was begun.
pub(super) enum Closed {
    /// The API server refused.
    Refused(Box<::kube::Error>),
    /// There is no shell in the container, or it ended: exit status, and what was said.
    Ended(i32, String),
    /// Somebody on the way did not get there, in these words.
    Lost(String),
}

impl Shell {
    /// Starts a shell and waits until it is ready.
    ///
    /// # Errors
    /// [`Closed`].
    ///
    /// # Cancel safety
    /// A shell that was started ends, since its input does.
    pub(super) async fn open(api: &Api<Pod>, place: &Place) -> Result<Self, Closed> {
        let how = AttachParams::default()
            .stdin(true)
            .stdout(true)
            .stderr(true)
            .container(&place.container)
            .max_stdin_buf_size(BUFFER)
            .max_stdout_buf_size(BUFFER)
            .max_stderr_buf_size(BUFFER);
        let mut process = api
            .exec(&place.pod, WAITING, &how)
            .await
            .map_err(|error| Closed::Refused(Box::new(error)))?;
        let streams = (process.stdin(), process.stdout(), process.stderr(), process.take_status());
        let (Some(input), Some(out), Some(err), Some(end)) = streams else {
            return Err(Closed::Lost("the exec has no streams".into()));
        };
        let shell = Self { process, input, out, err, end: Box::pin(end) };
        shell.ready().await
    }

    async fn ready(mut self) -> Result<Self, Closed> {
        let mut said = vec![];
        let mut open = true;
        let end = loop {
            tokio::select! {
                biased;
                read = self.out.read_buf(&mut said), if open => {
                    open = read.is_ok_and(|size| size > 0);
                    if said.split_inclusive(|byte| *byte == b'\n').any(|line| line == READY) {
                        return Ok(self);
                    }
                    if said.len() > BUFFER {
                        return Err(Closed::Lost("something else than a shell answers".into()));
                    }
                }
                end = &mut self.end => break end,
            }
        };
        let Some(end) = end else {
            return Err(Closed::Lost(why(self.process).await));
        };
        let mut words = vec![];
        let reading = self.err.take(BUFFER as u64);
        let _ = timeout(MOMENT, { reading }.read_to_end(&mut words)).await;
        let words = String::from_utf8_lossy(&words).trim().to_owned();
        match exit_status(&end) {
            Ok(status) => Err(Closed::Ended(status, words)),
            Err(why) => Err(Closed::Lost(why)),
        }
    }

    /// Sends the script and listens until it ends; what it said, and its exit status.
    ///
    /// # Errors
    /// [`Deaf`]: it may have been done.
    ///
    /// # Cancel safety
    /// What has been begun goes on.
    pub(super) async fn run(
        self,
        input: &str,
        script: &Script,
        marks: Marks<'_>,
    ) -> Result<(Said, i32), Deaf> {
        let Self { process, input: mut pipe, out, err, mut end } = self;
        let listening = hear::listen(Some(out), Some(err), script, marks);
        let sending = timeout(GRACE, pipe.write_all(input.as_bytes()));
        tokio::pin!(listening, sending);
        let (mut sent, mut status) = (false, None);
        let said = loop {
            tokio::select! {
                biased;
                said = &mut listening => break said?,
                // When the connection breaks, this is all that tells: the outputs do not end.
                told = &mut end, if status.is_none() => match told {
                    Some(told) => status = Some(told),
                    None => return Err(Deaf::Broken(why(process).await)),
                },
                done = &mut sending, if !sent => match done {
                    Ok(Ok(())) => sent = true,
                    Ok(Err(error)) => {
                        return Err(Deaf::Broken(format!("connection lost: {error}")));
                    }
                    Err(_) => return Err(Deaf::Silent(GRACE)),
                },
            }
        };
        let status = match status {
            Some(status) => Some(status),
            None => timeout(GRACE, end).await.map_err(|_| Deaf::Silent(GRACE))?,
        };
        let Some(status) = status else {
            return Err(Deaf::Broken(why(process).await));
        };
        let status = exit_status(&status).map_err(Deaf::Broken)?;
        Ok((said, status))
    }
}

/// How the connection ended, which it did without saying how the command did.
async fn why(process: AttachedProcess) -> String {
    match timeout(MOMENT, process.join()).await {
        Ok(Err(error)) => format!("connection lost: {}", chain(&error)),
        Ok(Ok(())) | Err(_) => "connection lost: it was closed before the command had ended".into(),
    }
}

/// The exit status of the command.
///
/// # Errors
/// It is not known, in the words of whoever ended the exec.
fn exit_status(status: &Status) -> Result<i32, String> {
    if status.status.as_deref() == Some("Success") {
        return Ok(0);
    }
    let causes = status.details.as_ref().and_then(|details| details.causes.as_ref());
    let code = causes
        .and_then(|all| all.iter().find(|cause| cause.reason.as_deref() == Some("ExitCode")))
        .and_then(|cause| cause.message.as_ref()?.parse().ok());
    code.ok_or_else(|| {
        let words = status.message.as_deref().or(status.reason.as_deref()).unwrap_or("no reason");
        format!("the exec ended: {}", words.trim().replace('\n', " "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(status: Value) -> Result<i32, String> {
        exit_status(&serde_json::from_value(status).unwrap())
    }

    #[test]
    fn how_a_command_ended() {
        assert_eq!(read(json!({"metadata": {}, "status": "Success"})), Ok(0));
        let ended = |code: &str| {
            let causes = json!([{"reason": "ExitCode", "message": code}]);
            json!({"status": "Failure", "reason": "NonZeroExitCode", "message": "command \
                terminated with non-zero exit code", "details": {"causes": causes}})
        };
        assert_eq!(read(ended("75")), Ok(75));
        assert!(read(ended("many")).is_err());
        let internal = json!({"status": "Failure", "reason": "InternalError",
            "message": "error dialing backend: dial tcp: i/o timeout", "code": 500});
        let words = "the exec ended: error dialing backend: dial tcp: i/o timeout";
        assert_eq!(read(internal).unwrap_err(), words);
        assert_eq!(read(json!({})).unwrap_err(), "the exec ended: no reason");
    }
}
