//! The one way to the terminal: results on stdout, remarks on stderr, a spinner while waiting.
//!
//! A reader that went away (`... | head`) is no error: the work goes on and the rest is dropped, for
//! a half-loaded topology would be worse than unread text.
use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    cell::RefCell,
    io::{self, ErrorKind, IsTerminal, Write},
    time::Duration,
};

/// Where output goes.
pub struct Console {
    out: RefCell<Option<Box<dyn Write>>>,
    err: RefCell<Box<dyn Write>>,
    /// Whether somebody watches stderr.
    live: bool,
}

impl Console {
    /// The process's own stdout and stderr.
    #[must_use]
    pub fn stdio() -> Self {
        let live = io::stderr().is_terminal();
        Self { live, ..Self::new(Box::new(io::stdout()), Box::new(io::stderr())) }
    }
    /// Any two writers, without a spinner.
    #[must_use]
    pub fn new(out: Box<dyn Write>, err: Box<dyn Write>) -> Self {
        Self { out: RefCell::new(Some(out)), err: RefCell::new(err), live: false }
    }
    /// Prints results, at once.
    ///
    /// # Errors
    /// The text could not be written although there is a reader (a full disk, say).
    pub fn print(&self, text: &str) -> Result<()> {
        let mut out = self.out.borrow_mut();
        let Some(writer) = out.as_mut() else { return Ok(()) };
        match writer.write_all(text.as_bytes()).and_then(|()| writer.flush()) {
            Err(e) if e.kind() == ErrorKind::BrokenPipe => {
                *out = None;
                Ok(())
            }
            done => done.context("cannot write the output"),
        }
    }
    /// Prints one line for people on stderr; nothing can be done when that fails.
    pub fn note(&self, line: &str) {
        let mut err = self.err.borrow_mut();
        let _ = writeln!(err, "{line}").and_then(|()| err.flush());
    }
    /// Shows what is waited for until the value is dropped.
    pub(super) fn spinner(&self, what: &str) -> Spinner {
        if !self.live || what.is_empty() {
            return Spinner(None);
        }
        let bar = ProgressBar::new_spinner().with_message(what.to_owned());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        Spinner(Some(bar))
    }
}

/// A running spinner; leaves no trace when dropped.
pub(super) struct Spinner(Option<ProgressBar>);

impl Drop for Spinner {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
