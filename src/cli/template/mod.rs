//! Templates in the language of Go's text/template, as scripts have them from Heketi's tool.
//!
//! ```text
//! text --lexer--> tokens --parser--> tree --exec, with a value--> text
//! ```
//!
//! There are: text, comments, trim markers; `if`, `with`, `range` (with `else`, `else if`, `break` and
//! `continue`), `define`, `template`, `block`; variables; pipelines in parentheses and out of them;
//! the functions of [`functions`]. Not there: `call`, `html`, `js`, `urlquery`, complex and rune
//! constants, and to print a whole object: what has members is asked for one of them.
mod exec;
mod functions;
mod lexer;
mod parser;
mod printf;
#[cfg(test)]
mod tests;
mod value;

pub(super) use value::Value;

use anyhow::{Context, Result};
use parser::Tree;

/// A template that makes sense, as far as that can be told without data.
pub(super) struct Template(Tree);

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// It is not one, or uses what is not supported; the message names the line.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let tokens = lexer::tokens(text).context("cannot read the template")?;
        Ok(Self(parser::parse(tokens).context("cannot read the template")?))
    }
    /// The text that it makes of the data.
    ///
    /// # Errors
    /// It asks for what the data has not, or for something that cannot be done with it.
    pub(super) fn render(&self, data: &Value) -> Result<String> {
        exec::render(&self.0, data).context("cannot carry the template out")
    }
}
