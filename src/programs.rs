//! The command lines of all programs, and the manual pages and completions that come of them.

use std::io::{self, Write};

use anyhow::{Context, Result};
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::{
    Man,
    roff::{Roff, roman},
};

use crate::{agent, ctl, encpipe, filter, guard, host, sts};

/// The names of the programs.
pub const NAMES: [&str; 7] = [
    "encpipe",
    "ezmail",
    "ezmail-agent",
    "ezmail-filter",
    "ezmail-guard",
    "ezmail-sts",
    "mailctl",
];

/// One of the seven programs.
#[derive(Debug)]
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// The section of the manual that it belongs to.
    pub section: u8,
    /// Its command line.
    pub command: Command,
}

/// A file that comes of a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Its path below `/usr/share`.
    pub path: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// All programs.
pub fn all() -> Vec<Program> {
    let program = |name, section, command| Program {
        name,
        section,
        command,
    };
    vec![
        program("encpipe", 1, encpipe::cli::Args::command()),
        program("ezmail", 1, host::cli::Cli::command()),
        program("ezmail-agent", 8, agent::cli::Cli::command()),
        program("ezmail-filter", 8, filter::Options::command()),
        program("ezmail-guard", 8, guard::Options::command()),
        program("ezmail-sts", 8, sts::Options::command()),
        program("mailctl", 8, ctl::cli::Cli::command()),
    ]
}

/// The completion script of a program.
pub fn completion(program: &Program, shell: Shell) -> Vec<u8> {
    let mut bytes = Vec::new();
    clap_complete::generate(
        shell,
        &mut program.command.clone(),
        program.name,
        &mut bytes,
    );
    bytes
}

/// Prints the completion script of a program, which a reader may stop reading.
///
/// # Errors
/// When there is no such program, or standard output cannot be written.
pub fn print_completion(name: &str, shell: Shell) -> Result<()> {
    let program = all().into_iter().find(|p| p.name == name);
    let program = program.with_context(|| format!("there is no program {name}"))?;
    match io::stdout().write_all(&completion(&program, shell)) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("writing to standard output"),
    }
}

/// The manual pages of a program, one a subcommand, and its completions for bash, zsh and fish.
pub fn pages(program: &Program) -> Vec<Page> {
    let mut command = program.command.clone().disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    manual(&command, program, &mut pages);
    let name = program.name;
    for (shell, path) in [
        (Shell::Bash, format!("bash-completion/completions/{name}")),
        (Shell::Zsh, format!("zsh/site-functions/_{name}")),
        (
            Shell::Fish,
            format!("fish/vendor_completions.d/{name}.fish"),
        ),
    ] {
        pages.push(Page {
            path,
            bytes: completion(program, shell),
        });
    }
    pages
}

fn manual(command: &Command, program: &Program, pages: &mut Vec<Page>) {
    for sub in command.get_subcommands().filter(|s| !s.is_hide_set()) {
        manual(sub, program, pages);
    }
    let section = program.section;
    let name = command
        .get_display_name()
        .unwrap_or_else(|| command.get_name());
    pages.push(Page {
        path: format!("man/man{section}/{name}.{section}"),
        bytes: page(command, program),
    });
}

/// One page. What stands behind the options in the help has lines that are to stay as they are.
fn page(command: &Command, program: &Program) -> Vec<u8> {
    type Part = fn(&Man, &mut dyn Write) -> io::Result<()>;
    let man = Man::new(command.clone())
        .section(program.section.to_string())
        .source(format!("ezmail {}", env!("CARGO_PKG_VERSION")))
        .manual("ezmail");
    let mut bytes = Vec::new();
    let mut parts: Vec<Part> = vec![
        Man::render_title,
        Man::render_name_section,
        Man::render_synopsis_section,
        Man::render_description_section,
    ];
    if command.get_arguments().any(|a| !a.is_hide_set()) {
        parts.push(Man::render_options_section);
    }
    if command.get_subcommands().any(|s| !s.is_hide_set()) {
        parts.push(Man::render_subcommands_section);
    }
    for part in parts {
        // writing to memory cannot fail
        let _ = part(&man, &mut bytes);
    }
    let after = command
        .get_after_long_help()
        .or_else(|| command.get_after_help());
    if let Some(after) = after {
        bytes.extend(behind_the_options(&after.to_string()).into_bytes());
    }
    bytes
}

/// The examples and the exit status, under headings of their own, line by line.
fn behind_the_options(text: &str) -> String {
    let mut roff = Roff::new();
    let mut heading = None;
    for block in text.split("\n\n") {
        let (name, lines) = match block.split_once('\n') {
            Some(("Example:" | "Examples:", lines)) => ("EXAMPLES", lines),
            _ if block.starts_with("Exit status") => ("EXIT STATUS", block),
            _ => (heading.unwrap_or("NOTES"), block),
        };
        match heading.replace(name) == Some(name) {
            true => roff.control("PP", []),
            false => roff.control("SH", [name]),
        };
        roff.control("nf", []);
        for line in lines.lines() {
            // the page indents by itself
            roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
        }
        roff.control("fi", []);
    }
    roff.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_has_pages_and_completions() {
        for program in all() {
            let pages = pages(&program);
            let (name, section) = (program.name, program.section);
            for path in [
                format!("man/man{section}/{name}.{section}"),
                format!("bash-completion/completions/{name}"),
                format!("zsh/site-functions/_{name}"),
                format!("fish/vendor_completions.d/{name}.fish"),
            ] {
                let page = pages.iter().find(|p| p.path == path);
                assert!(page.is_some_and(|p| !p.bytes.is_empty()), "{path}");
            }
        }
    }

    #[test]
    fn lines_of_examples_stay_lines() {
        let text = behind_the_options("Examples:\n  a b\n  .c\n\nMore.\n\nExit status: 0 good.");
        insta::assert_snapshot!(text.split_once(".SH ").unwrap().1, @r#"
        EXAMPLES
        .nf
        a b
        \&.c
        .fi
        .PP
        .nf
        More.
        .fi
        .SH "EXIT STATUS"
        .nf
        Exit status: 0 good.
        .fi
        "#);
    }
}
