//! `mailctl import imap`: the mail of a mailbox on another server.
//!
//! In two steps. Dovecot's own synchronisation keeps a copy of the other mailbox, in which nothing
//! else ever arrives: so it needs to bring only what has changed there. Then what is new in the copy
//! goes into the mailbox as `mailctl import maildir` does it. Synchronising right into the mailbox
//! would double messages once mail arrives at both servers: IMAP numbers them, and the numbers clash.

mod config;
mod doveadm;
mod folders;
mod passed;

use std::{
    fs::File,
    io::{self, BufRead, IsTerminal},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use zeroize::Zeroizing;

use self::{
    config::{Place, Remote, Tls},
    doveadm::Doveadm,
    folders::There,
};
use super::{
    exit,
    maildir::{self, Options},
    report,
};
use crate::{
    ctl::{accounts, output, server::Server},
    mail::{accounts::users, address::Address, mailbox},
    util::{files, hash::sha256, secret::Secret},
};

/// The authorities that the image trusts.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// What `mailctl import imap` is told.
#[derive(Debug, clap::Args)]
pub struct Imap {
    /// The user here
    #[arg(value_parser = accounts::own_address)]
    user: Address,
    /// The other server
    #[arg(long, value_name = "HOST[:PORT]")]
    from: Place,
    /// The login there [default: the address]
    #[arg(long, value_name = "NAME")]
    login: Option<String>,
    /// Its password, the first line of a file, instead of being asked for it
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// How it is encrypted; the certificate has to be good
    #[arg(long, default_value = "implicit")]
    tls: Tls,
    /// Leave out the folders whose name this is; '*' stands for anything
    #[arg(long, value_name = "NAME")]
    exclude: Vec<String>,
    /// This was the last time: remove the copy of the other mailbox
    #[arg(long, conflicts_with = "dry_run")]
    last: bool,
    #[command(flatten)]
    options: Options,
    /// Who vouches for the other server, PEM, instead of the authorities that
    /// everybody trusts: for a certificate that it signed itself
    #[arg(long, value_name = "FILE", hide_default_value = true, default_value = AUTHORITIES)]
    ca_file: PathBuf,
}

/// Runs `mailctl import imap`.
///
/// # Errors
/// When there is no such user, the other server cannot be reached or refuses the login, or a file
/// cannot be written. What was brought until then stays, and the next call goes on.
pub fn run(server: &Server, wanted: &Imap) -> Result<ExitCode> {
    let db = accounts::open(server)?;
    users::get(&db, &wanted.user)?;
    drop(db);
    if !server.is_live() {
        bail!("dovecot brings the mail, and it has to run: call this on the server itself");
    }
    let own = wanted.user.to_string();
    let login = wanted.login.as_deref().unwrap_or(&own);
    let password = password(login, wanted)?;
    if login
        .chars()
        .chain(password.expose().chars())
        .any(char::is_control)
    {
        bail!("a control character is in the login or the password; nothing was changed");
    }
    let home = server
        .target
        .path(&mailbox::folder(&server.paths.mail, &wanted.user));
    let copy = home.join("import").join(file_name(&wanted.from, login));
    let mut remote = Remote {
        place: &wanted.from,
        tls: wanted.tls,
        login,
        password: &password,
        ca_file: &wanted.ca_file,
        home: &copy,
        prefix: None,
    };
    let (there, note) = Doveadm::new(&remote)?.list(&remote)?;
    let prefix = folders::prefix(&there);
    remote.prefix = prefix;
    let there = folders::stripped(there, prefix);
    let there = chosen(there, wanted)?;
    if wanted.options.dry_run {
        note.iter().for_each(|note| accounts::remark(note));
        print_there(&there, wanted)?;
        return Ok(exit(note.is_none()));
    }
    let owner = server.target.ids("vmail", "vmail")?;
    maildir::no_links(&server.target.path(&server.paths.mail), &copy)?;
    maildir::make_folder(&copy, owner)?;
    let _alone = alone(&copy)?;
    let doveadm = Doveadm::new(&remote)?;
    let mut notes: Vec<String> = note.into_iter().collect();
    let total = there.iter().map(|t| t.messages).sum();
    for selection in selections(wanted) {
        notes.extend(doveadm.mirror(&remote, &selection, total)?);
    }
    // each of them is about something that did not come
    let whole = notes.is_empty();
    let list = copy.join("passed");
    let mut passed = passed::read(&list)?;
    let staged = maildir::folders(&copy.join("Maildir"))?;
    let is_wanted = |name: &str| there.iter().any(|t| kept_as(&t.name) == kept_as(name));
    let staged = staged
        .into_iter()
        .filter(|f| is_wanted(&f.name))
        .collect::<Vec<_>>();
    let job = maildir::job(server, &wanted.user, &wanted.options)?;
    let done = job.run(&staged, &mut passed);
    // also what was brought before it failed
    passed::write(&list, &passed)?;
    let mut outcome = done?;
    outcome.notes.splice(0..0, notes);
    outcome.notes.extend(report::settled(server, &wanted.user)?);
    if wanted.last && whole {
        files::remove_dir_all(&copy)?;
        // those of other servers may be in it
        std::fs::remove_dir(home.join("import")).ok();
    } else {
        outcome.notes.push(format!(
            "{}a copy of the other mailbox is kept in {}, for the next call; the one with --last \
             removes it",
            if wanted.last { "not all came: " } else { "" },
            copy.display()
        ));
    }
    report::print(&wanted.user, &outcome, false, wanted.options.json, whole)
}

/// The password: from the file, from the terminal, or the first line of standard input.
fn password(login: &str, wanted: &Imap) -> Result<Secret> {
    let text = match &wanted.password_file {
        Some(path) => Zeroizing::new(files::read_to_string(path)?),
        None if io::stdin().is_terminal() => {
            let question = format!("Password of {login} at {}: ", wanted.from);
            let asked = rpassword::prompt_password(question);
            Zeroizing::new(asked.context("reading the password")?)
        }
        None => {
            let mut line = Zeroizing::new(String::new());
            let read = io::stdin().lock().read_line(&mut line);
            read.context("reading the password")?;
            line
        }
    };
    let first = text.lines().next().unwrap_or("");
    if first.is_empty() {
        bail!("the password is empty; nothing was changed");
    }
    Ok(Secret::new(first))
}

/// A folder's name for a mailbox elsewhere, which no other has.
fn file_name(place: &Place, login: &str) -> String {
    let good = |c: char| c.is_ascii_alphanumeric() || ".-@_".contains(c);
    let written = format!("{place}_{login}");
    let short = written.chars().take(100);
    let plain: String = short.map(|c| if good(c) { c } else { '_' }).collect();
    match plain == written {
        true => plain,
        // what is written in another way could be somebody else's
        false => format!("{plain}_{}", &sha256(&written)[..16]),
    }
}

/// What dovecot calls a folder in a Maildir: the dot separates there.
fn kept_as(name: &str) -> String {
    name.replace('.', "_")
}

/// That no other call works on the same copy.
fn alone(copy: &Path) -> Result<File> {
    let path = copy.join("lock");
    let mut options = std::fs::OpenOptions::new();
    let file = options
        .custom_flags(maildir::PLAIN)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path);
    let file = file.with_context(|| format!("opening {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            bail!("another call brings the same mail just now; nothing was changed")
        }
        Err(e) => Err(e).with_context(|| format!("locking {}", path.display())),
    }
}

fn is_excluded(name: &str, wanted: &Imap) -> bool {
    let named = wanted.options.folders.iter().any(|f| f == name);
    let view = folders::VIEWS.contains(&name) && !named;
    view || wanted.exclude.iter().any(|mask| folders::fits(mask, name))
}

/// The folders there that are to be brought.
fn chosen(there: Vec<There>, wanted: &Imap) -> Result<Vec<There>> {
    for name in &wanted.options.folders {
        if !there.iter().any(|t| t.name == *name) {
            let names: Vec<&str> = there.iter().map(|t| t.name.as_str()).collect();
            bail!(
                "there is no folder {name} at {}; there are {}; nothing was changed",
                wanted.from,
                names.join(", ")
            );
        }
    }
    let only = &wanted.options.folders;
    let is_wanted = |t: &There| only.is_empty() || only.contains(&t.name);
    let kept = there
        .into_iter()
        .filter(|t| is_wanted(t) && !is_excluded(&t.name, wanted));
    Ok(kept.collect())
}

/// What dovecot is told of it: folders one by one, or all without some.
fn selections(wanted: &Imap) -> Vec<Vec<&str>> {
    let only = &wanted.options.folders;
    if !only.is_empty() {
        return only.iter().map(|name| vec!["-m", name.as_str()]).collect();
    }
    let masks = wanted.exclude.iter().map(String::as_str);
    let masks = masks.chain(folders::VIEWS).chain(folders::VIEW_USES);
    vec![masks.flat_map(|mask| ["-x", mask]).collect()]
}

fn print_there(there: &[There], wanted: &Imap) -> Result<()> {
    if wanted.options.json {
        let folders = there.iter().map(|t| {
            let to = maildir::here(&t.name, &wanted.options.map);
            serde_json::json!({ "folder": t.name, "to": to, "messages": t.messages })
        });
        return output::json(&serde_json::json!({
            "user": wanted.user.to_string(),
            "dry_run": true,
            "folders": folders.collect::<Vec<_>>(),
        }));
    }
    let row = |t: &There| {
        let to = maildir::here(&t.name, &wanted.options.map);
        [t.messages.to_string(), t.name.clone(), to]
    };
    let rows: Vec<_> = there.iter().map(row).collect();
    let table = output::table(["MESSAGES", "FOLDER THERE", "HERE"], &rows);
    output::text(&format!("{table}\nnothing was changed\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_in_its_folder() {
        let name = |place: &str, login: &str| file_name(&place.parse().unwrap(), login);
        assert_eq!(name("imap.a-b", "al@c"), "imap.a-b_al@c");
        assert!(name("a:1", "x/../y").starts_with("a_1_x_.._y_"));
        assert!(name("a", &"x".repeat(300)).len() < 200);
        for other in ["a b", "a/b", "a_b"] {
            assert_ne!(name("a", "a+b"), name("a", other), "{other}");
        }
        assert_ne!(name("a-b", "c"), name("a", "b-c"));
    }
}
