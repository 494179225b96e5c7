//! `man`: the manual of the command line, a page a command, as git has it.
use super::console::Console;
use anyhow::{Context, Result};
use clap_mangen::Man;
use std::path::Path;

/// A page in the language of man.
struct Page {
    /// Such as `heketi-cli-volume-create.1`.
    file: String,
    text: Vec<u8>,
}

/// Writes all pages to a folder, or prints the first.
///
/// # Errors
/// The folder cannot be made or written to.
pub(super) fn run(all: clap::Command, folder: Option<&Path>, console: &Console) -> Result<()> {
    let mut all = all.disable_help_subcommand(true);
    all.build();
    let Some(folder) = folder else {
        return console.print(&String::from_utf8_lossy(&page(&all)?.text));
    };
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    write(&all, folder)
}

/// The page of this command and those of all below it.
fn write(command: &clap::Command, folder: &Path) -> Result<()> {
    let Page { file, text } = page(command)?;
    let path = folder.join(file);
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    command.get_subcommands().filter(|c| !c.is_hide_set()).try_for_each(|c| write(c, folder))
}

fn page(command: &clap::Command) -> Result<Page> {
    // Whatever the program was called by: its manual is under the name that people look for.
    let man = Man::new(command.clone()).manual("Brickyard").date("");
    let mut text = vec![];
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if command.get_subcommands().any(|c| !c.is_hide_set()) {
        man.render_subcommands_section(&mut text)?;
    }
    if let Some(notes) = command.get_after_help() {
        text.extend(as_it_stands("NOTES", &notes.to_string()).bytes());
    }
    Ok(Page { file: man.get_filename(), text })
}

/// A section whose lines are kept: examples are to be copied.
fn as_it_stands(title: &str, text: &str) -> String {
    let mut section = format!(".SH {title}\n.nf\n");
    for line in text.lines() {
        // The zero-width sign keeps a line that begins with a point from being a request.
        section += "\\&";
        section += &line.replace('\\', "\\e").replace('-', "\\-");
        section.push('\n');
    }
    section + ".fi\n"
}
