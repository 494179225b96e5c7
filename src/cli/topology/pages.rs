//! What is told of works that go on side by side, in the order in which they were begun: as if they
//! went on one after another.
use super::super::Console;
use anyhow::Result;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Gives each work its page.
pub(super) struct Pages(UnboundedSender<UnboundedReceiver<String>>);

/// Where one work tells what it does; it is full when the page is dropped.
pub(super) struct Page(UnboundedSender<String>);

/// Prints what is written on the first page that is not full yet.
pub(super) struct Printer<'a> {
    pages: UnboundedReceiver<UnboundedReceiver<String>>,
    console: &'a Console,
}

pub(super) fn new(console: &Console) -> (Pages, Printer<'_>) {
    let (sender, pages) = unbounded_channel();
    (Pages(sender), Printer { pages, console })
}

impl Pages {
    /// A page after all others.
    pub(super) fn next(&self) -> Page {
        let (sender, page) = unbounded_channel();
        // Where nobody prints any more, nobody reads.
        drop(self.0.send(page));
        Page(sender)
    }
}

impl Page {
    pub(super) fn print(&self, text: &str) {
        drop(self.0.send(text.to_owned()));
    }
}

impl Printer<'_> {
    /// Until all pages are full and there are no more.
    pub(super) async fn run(mut self) -> Result<()> {
        while let Some(mut page) = self.pages.recv().await {
            while let Some(text) = page.recv().await {
                self.console.print(&text)?;
            }
        }
        Ok(())
    }
}
