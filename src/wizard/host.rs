//! The form on another computer: it writes the answers file.

use std::{env, fs, path::Path, process::ExitCode};

use anyhow::{Context, Result, bail};
use rustix::{
    stdio::{stdin, stdout},
    termios::isatty,
};

use super::{
    disks::Target,
    form::{Form, Place},
    run::{End, World, run},
    values::Values,
};
use crate::{
    agent::console::say,
    util::{files, secret::Secret},
};

/// Asks for the answers on the terminal and writes them to `file`, which must not be there.
///
/// # Errors
/// When it is there, there is no terminal, or it cannot be written.
pub fn new(file: &Path) -> Result<ExitCode> {
    if !isatty(stdin()) || !isatty(stdout()) {
        bail!(
            "--wizard needs a terminal for its input and its output; 'ezmail answers new' without it \
             prints an example to edit"
        );
    }
    let there = fs::exists(file).with_context(|| format!("looking for {}", file.display()))?;
    if there {
        bail!(
            "{} is there already, and is not overwritten: name another file with -o, or remove it",
            file.display()
        );
    }
    let name = file.display().to_string();
    let values = Values::new(vec![Target::Named, Target::Memory]);
    let about = concat!("ezmail ", env!("CARGO_PKG_VERSION")).to_owned();
    let mut form = Form::new(
        Place::Host(name.clone()),
        about,
        values,
        Vec::new(),
        is_utf8(),
    );
    Ok(match run(&mut form, &mut Writer { file })? {
        End::Applied => {
            say(format_args!(
                "wrote {name}. What next:\n  ezmail answers check {name}\n  ezmail boot IMAGE \
                 --answers {name}    # try it\n  ezmail embed {name} IMAGE            # put it into an \
                 image"
            ));
            ExitCode::SUCCESS
        }
        End::Left | End::Over | End::Closed => {
            say("nothing was written");
            ExitCode::FAILURE
        }
    })
}

/// Whether the terminal is said to be one for UTF-8 (locale(7)).
fn is_utf8() -> bool {
    let names = ["LC_ALL", "LC_CTYPE", "LANG"];
    let mut values = names.into_iter().filter_map(|name| env::var(name).ok());
    let first = values.find(|value| !value.is_empty()).unwrap_or_default();
    let first = first.to_ascii_lowercase();
    first.contains("utf-8") || first.contains("utf8")
}

struct Writer<'a> {
    file: &'a Path,
}

impl World for Writer<'_> {
    fn over(&mut self) -> Result<Option<String>> {
        Ok(None)
    }

    fn apply(&mut self, answers: &Secret) -> Result<()> {
        files::create_new(self.file, answers.expose(), 0o600)
    }
}
