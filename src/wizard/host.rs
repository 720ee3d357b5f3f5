//! The form on another computer: it writes the answers file.

use std::{
    env, fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use rustix::{
    fs::{Access, access},
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
/// When it is there, there is no terminal, or it could not be written: before anything is asked.
pub fn new(file: &Path) -> Result<ExitCode> {
    if !isatty(stdin()) || !isatty(stdout()) {
        bail!(
            "--wizard needs a terminal for its input and its output; 'ezmail answers new' without it \
             prints an example to edit"
        );
    }
    may_be_made_in(&folder_of(file))?;
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

/// The folder that a file is to be in.
fn folder_of(file: &Path) -> PathBuf {
    let folder = file.parent().filter(|f| !f.as_os_str().is_empty());
    folder.unwrap_or(Path::new(".")).to_path_buf()
}

/// Refuses a folder in which no file can be made.
fn may_be_made_in(folder: &Path) -> Result<()> {
    let name = folder.display();
    match fs::metadata(folder) {
        Ok(found) if found.is_dir() => {}
        Err(error) if error.kind() == ErrorKind::NotFound => bail!(
            "there is no folder {name} for the answers file: make it with 'mkdir -p {name}', or name \
             another file with -o"
        ),
        Ok(_) => bail!("{name} is no folder: name another file for the answers with -o"),
        Err(error) => return Err(error).with_context(|| format!("looking at the folder {name}")),
    }
    access(folder, Access::WRITE_OK | Access::EXEC_OK).with_context(|| {
        format!("no file can be made in the folder {name}: name another file with -o")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_there_and_can_be_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        may_be_made_in(path).unwrap();
        let said = |file: &str| {
            let error = may_be_made_in(&folder_of(&path.join(file))).unwrap_err();
            format!("{error:#}").replace(&format!("{}/", path.display()), "")
        };
        insta::assert_snapshot!(said("conf/a.toml"), @"there is no folder conf for the answers file: make it with 'mkdir -p conf', or name another file with -o");
        fs::write(path.join("notes"), "").unwrap();
        insta::assert_snapshot!(said("notes/a.toml"), @"notes is no folder: name another file for the answers with -o");
        assert_eq!(folder_of(Path::new("a.toml")), Path::new("."));
        assert_eq!(folder_of(Path::new("conf/a.toml")), Path::new("conf"));
    }
}
