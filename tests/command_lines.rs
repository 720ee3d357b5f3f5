//! The command lines of all programs, as a whole: their help fits a terminal, mailctl's commands
//! have examples, and the manual pages are well formed.

use std::{collections::BTreeSet, process::Command as Process};

use clap::Command;
use ezmail::{
    programs::{self, Program},
    util::run::find_program,
};

/// Every command with its words, such as `mailctl queue list`; hidden ones are nobody's.
fn each(program: &Program, mut look: impl FnMut(&str, &Command)) {
    fn walk(words: &str, command: &Command, look: &mut impl FnMut(&str, &Command)) {
        look(words, command);
        for sub in command.get_subcommands().filter(|s| !s.is_hide_set()) {
            walk(&format!("{words} {}", sub.get_name()), sub, look);
        }
    }
    let mut command = program.command.clone().disable_help_subcommand(true);
    // what --help does: names, versions and global options reach every subcommand
    command.build();
    walk(program.name, &command, &mut look);
}

#[test]
fn no_line_of_help_is_longer_than_a_terminal() {
    let mut long = Vec::new();
    for program in programs::all() {
        each(&program, |words, command| {
            let mut command = command.clone().term_width(80);
            for text in [command.render_help(), command.render_long_help()] {
                let text = text.to_string();
                let lines = text.lines().filter(|line| line.chars().count() > 80);
                long.extend(lines.map(|line| format!("{words}: {line}")));
            }
        });
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn every_command_of_mailctl_has_an_example_of_itself() {
    let mut without = Vec::new();
    let mut seen = 0;
    let all = programs::all();
    let mailctl = all.iter().find(|p| p.name == "mailctl").expect("mailctl");
    each(mailctl, |words, command| {
        if command.get_subcommands().next().is_some() {
            return;
        }
        seen += 1;
        let after = command.get_after_help().map(ToString::to_string);
        let text = after.unwrap_or_default();
        if !text.starts_with("Example") || !text.contains(words) {
            without.push(words.to_owned());
        }
    });
    assert!(seen > 10, "{seen}");
    assert!(without.is_empty(), "{}", without.join("\n"));
}

#[test]
fn every_option_says_what_it_does() {
    let mut silent = Vec::new();
    for program in programs::all() {
        each(&program, |words, command| {
            if command.get_about().is_none() {
                silent.push(words.to_owned());
            }
            for argument in command.get_arguments().filter(|a| !a.is_hide_set()) {
                if argument.get_help().is_none() {
                    silent.push(format!("{words}: {}", argument.get_id()));
                }
            }
        });
    }
    assert!(silent.is_empty(), "{}", silent.join("\n"));
}

/// groff is in ci/setup's lists, as the formatter behind man(1).
#[test]
fn manual_pages_are_rendered_without_a_warning() {
    let groff = find_program("groff").expect("groff: ci/setup installs it");
    let folder = tempfile::tempdir().expect("a folder");
    let mut names = BTreeSet::new();
    let mut files = Vec::new();
    for page in programs::all().iter().flat_map(programs::pages) {
        if let Some(name) = page.path.strip_prefix("man/") {
            let path = folder.path().join(name.replace('/', "-"));
            std::fs::write(&path, &page.bytes).expect("a page");
            assert!(names.insert(name.to_owned()), "{name} is there twice");
            files.push(path);
        }
    }
    for wanted in [
        "man8/mailctl-queue-list.8",
        "man1/encpipe.1",
        "man8/ezmail-filter.8",
    ] {
        assert!(names.contains(wanted), "{wanted} is not in {names:?}");
    }
    for file in files {
        let done = Process::new(&groff)
            .args(["-man", "-Tutf8", "-ww", "-rLL=80n"])
            .arg(&file)
            .output()
            .expect("groff");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(
            done.status.success() && said.is_empty(),
            "{}: {said}",
            file.display()
        );
    }
}
