//! `doorward man`: manual pages of all commands, made from their help. Hidden, because packages come with the pages.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use super::failure::Failure;

const MANUAL: &str = "Doorward manual";

/// What the page of the program itself says besides its help.
const MORE: &str = "\
Files:
  /etc/doorward/doorward.toml  settings of the server that a package installed
  /var/lib/doorward            its database
  doorward.toml                settings in the working directory, read if no other file is named

Exit codes:
  0  done; of the server: stopped as requested
  1  failed
  2  the command line or the configuration is wrong

Examples:
  doorward
  doorward config init
  doorward user add alice --role admin
  sudo -u doorward doorward --config /etc/doorward/doorward.toml user list";

#[derive(clap::Args)]
pub struct Arguments {
    /// The directory to write them to; it is created if necessary
    directory: PathBuf,
}

/// `command` is the whole command line.
pub fn run(arguments: &Arguments, command: clap::Command) -> Result<(), Failure> {
    let directory = &arguments.directory;
    let failed =
        |error: io::Error| Failure::Running(format!("cannot write {}: {error}", directory.display()));
    fs::create_dir_all(directory).map_err(failed)?;
    // `help` repeats every other command.
    let mut command = command.disable_help_subcommand(true).after_help(MORE);
    command.build();
    write_all(&command, directory).map_err(failed)
}

fn write_all(command: &clap::Command, directory: &Path) -> io::Result<()> {
    for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        write_all(command, directory)?;
    }
    let man =
        Man::new(command.clone()).manual(MANUAL).source(concat!("Doorward ", env!("CARGO_PKG_VERSION")));
    let mut page = File::create(directory.join(man.get_filename()))?;
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    if command.get_arguments().any(|argument| !argument.is_hide_set()) {
        man.render_options_section(&mut page)?;
    }
    if command.get_subcommands().any(|command| !command.is_hide_set()) {
        man.render_subcommands_section(&mut page)?;
    }
    let more = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    after_help(&more).to_writer(&mut page)
}

/// The text after a command's help. A line that ends with a colon, before indented lines, is the heading of a section;
/// indented lines are shown as they are; all others are paragraphs of notes.
fn after_help(text: &str) -> Roff {
    let mut roff = Roff::new();
    let lines: Vec<&str> = text.lines().collect();
    let (mut as_is, mut in_notes) = (false, false);
    for (at, line) in lines.iter().enumerate() {
        let is_indented = line.starts_with(' ');
        if as_is != is_indented {
            roff.control(if is_indented { "nf" } else { "fi" }, []);
            as_is = is_indented;
        }
        if let Some(heading) = heading(&lines[at..]) {
            roff.control("SH", [heading.to_uppercase().as_str()]);
            in_notes = false;
        } else if line.is_empty() && in_notes {
            roff.control("PP", []);
        } else if !line.is_empty() {
            if !is_indented && !in_notes {
                roff.control("SH", ["NOTES"]);
                in_notes = true;
            }
            roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
        }
    }
    if as_is {
        roff.control("fi", []);
    }
    roff
}

/// The heading with which the lines begin, if they do.
fn heading<'a>(lines: &[&'a str]) -> Option<&'a str> {
    let is_followed = lines.get(1).is_some_and(|next| next.starts_with(' '));
    lines.first()?.strip_suffix(':').filter(|text| is_followed && !text.starts_with(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_examples_and_paragraphs_of_a_help_become_those_of_a_page() {
        let help = "Examples:\n  doorward backup x.db\n  doorward backup 'y.db'\n\nIt is a\ncopy.";
        let page = after_help(help).to_roff();
        let lines: Vec<&str> = page.lines().collect();
        assert_eq!(
            lines,
            [
                ".SH EXAMPLES",
                ".nf",
                "doorward backup x.db",
                "doorward backup 'y.db'",
                ".fi",
                ".SH NOTES",
                "It is a",
                "copy.",
            ]
        );
    }
}
