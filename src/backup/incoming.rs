//! A new state beside the running one, made ready before the switch: checked, brought up to date,
//! and with what is in no backup.

use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::Path,
};

use anyhow::{Context, Result, bail};

use super::{
    manifest::Header, module::Module, name::BackupId, open, store::Store, switch::Layout, walk,
};
use crate::{
    agent::state::{format, kept},
    answers::Answers,
    encpipe::Key,
    mail::{
        certificate::Origin,
        database::{self, Desired},
    },
    util::{files, secret::Secret},
};

/// What a server is nothing without: a backup that lacks one of these is not one of a server.
const SERVER: [Module; 3] = [Module::Keys, Module::Database, Module::Mail];

/// The newest backup of the server `host` that has all that makes a server. If there is none of
/// `host`, and all are of one other server, that one is meant: it has got another name.
///
/// # Errors
/// When there is none, it is not clear which is meant, or one cannot be read.
pub fn choose(store: &dyn Store, host: &str, key: &Key) -> Result<BackupId> {
    let listed = store.list()?;
    let mut ids = open::backups(&listed);
    let place = store.name();
    let mut hosts: Vec<&str> = ids.iter().map(|id| id.host.as_str()).collect();
    hosts.sort_unstable();
    hosts.dedup();
    let own = match &hosts[..] {
        [] => bail!("there is no backup in {place}"),
        [one] => (*one).to_owned(),
        many if many.contains(&host) => host.to_owned(),
        many => bail!(
            "no backup in {place} is of {host}, but of {}: correct `hostname`, or add the name of \
             one file, such as {}, to the address in `restore.source`",
            many.join(", "),
            ids[0].archive()
        ),
    };
    ids.retain(|id| id.host == own);
    for id in ids {
        let header = open::header(store, &listed, &id.archive(), key)?;
        if SERVER.iter().all(|module| header.modules.contains(module)) {
            return Ok(id);
        }
    }
    bail!(
        "every backup in {place} holds only parts of a server. 'mailctl restore' brings those back \
         on one that is set up without [restore]"
    )
}

/// Refuses a backup that this version could not read.
///
/// # Errors
/// When a newer version wrote it.
pub fn check_version(header: &Header) -> Result<()> {
    let known = database::VERSION;
    if let Some(schema) = header.schema.filter(|schema| *schema > known) {
        bail!(
            "the backup {} was made by ezmail {}, whose database (schema {schema}) is newer than \
             what this version ({}, schema {known}) can read; nothing was changed: restore it with \
             that version, or a later one",
            header.id,
            header.version,
            env!("CARGO_PKG_VERSION")
        );
    }
    Ok(())
}

/// Checks the new state in `folder` and brings it up to date; what was done, a line each.
///
/// # Errors
/// When a newer version wrote it, or something of it is damaged or refused by this version.
pub fn prepare(folder: &Path, modules: &[Module]) -> Result<Vec<String>> {
    let mut done = Vec::new();
    if modules.contains(&Module::Config) {
        check_format(folder)?;
        let answers = answers(folder).context("the restored answers")?;
        answers.context("there are no answers in it, and without them there is no server")?;
    }
    if modules.contains(&Module::Database) {
        done.extend(database(folder).context("the restored database")?);
    }
    Ok(done)
}

/// Whether this version may work on the state in `folder`.
///
/// # Errors
/// When a newer version wrote it.
pub fn check_format(folder: &Path) -> Result<()> {
    let text = read(&folder.join(format::FILE))?;
    format::check(text.as_deref()).context("the restored state")
}

/// The answers in effect of the state in `folder`; `None` if it has none.
///
/// # Errors
/// When they cannot be read, or this version refuses them.
pub fn answers(folder: &Path) -> Result<Option<Answers>> {
    let text = read(&folder.join("answers").join(kept::CURRENT))?.map(Secret::new);
    text.as_ref().map(kept::parse).transpose()
}

fn read(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        other => other
            .map(Some)
            .with_context(|| format!("reading {}", path.display())),
    }
}

fn database(folder: &Path) -> Result<Option<String>> {
    let path = folder.join("mail.sqlite");
    if !path.is_file() {
        bail!("it is not there");
    }
    let schema = database::upgrade(&path)?;
    let db = database::open(&path)?;
    database::check(&db)?;
    Ok(schema.map(|line| format!("database: {}", line.split("; ").next().unwrap_or(&line))))
}

/// Gives the new state in `folder` what stays with the machine: the secrets that are in no backup.
///
/// # Errors
/// When something cannot be copied. What was there is as it was.
pub fn carry_over(layout: &Layout, folder: &Path, modules: &[Module]) -> Result<()> {
    if !modules.contains(&Module::Keys) {
        return Ok(());
    }
    let (from, to) = (layout.path(Path::new("secrets")), folder.join("secrets"));
    let entries = match fs::read_dir(&from) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        other => other.with_context(|| format!("listing {}", from.display()))?,
    };
    if !to.is_dir() {
        files::create_dir_all(&to)?;
        same_owner(&from, &to)?;
    }
    for entry in entries {
        let entry = entry.with_context(|| format!("listing {}", from.display()))?;
        let name = entry.file_name();
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        let is_remains = name.to_string_lossy().starts_with(".tmp");
        if !is_file || is_remains || !walk::is_left_out(&Path::new("secrets").join(&name)) {
            continue;
        }
        let what = || format!("keeping {}", entry.path().display());
        let content = zeroize::Zeroizing::new(fs::read(entry.path()).with_context(what)?);
        files::write(&to.join(&name), &content, 0o600).with_context(what)?;
        same_owner(&entry.path(), &to.join(&name)).with_context(what)?;
    }
    files::sync_folder(&to)
}

/// Owner and mode.
fn same_owner(of: &Path, to: &Path) -> Result<()> {
    let what = || format!("setting the owner of {}", to.display());
    let data = fs::metadata(of).with_context(what)?;
    chown(to, Some(data.uid()), Some(data.gid())).with_context(what)?;
    let mode = fs::Permissions::from_mode(data.mode() & 0o7777);
    fs::set_permissions(to, mode).with_context(what)
}

/// Makes the new state in `folder` that of a server with these answers, which are from outside: they
/// are kept, and what they say of domains, users and aliases counts as applied, so that only what
/// differs in later ones changes the database.
///
/// # Errors
/// When it cannot be written.
pub fn adopt(
    folder: &Path,
    answers: &Answers,
    current: &Secret,
    found: Option<&Secret>,
) -> Result<()> {
    let path = folder.join("mail.sqlite");
    if path.is_file() {
        let db = database::open(&path)?;
        database::adopt(&db, &Desired::new(answers)?)?;
    }
    let kept = folder.join("answers");
    files::remove_dir_all(&kept)?;
    files::create_dir_all(&kept)?;
    fs::set_permissions(&kept, fs::Permissions::from_mode(0o700))
        .with_context(|| format!("setting the permissions of {}", kept.display()))?;
    files::write(&kept.join(kept::CURRENT), current.expose(), 0o600)?;
    if let Some(found) = found {
        files::write(&kept.join(kept::FOUND), found.expose(), 0o600)?;
    }
    files::write(&folder.join(format::FILE), format::text()?, 0o644)?;
    if answers.tls.is_none() {
        own_certificate(folder)?;
    }
    files::sync_folder(folder)
}

/// A certificate that earlier answers gave, and these do not, is one that somebody put there: it
/// stays.
fn own_certificate(folder: &Path) -> Result<()> {
    let mark = folder.join("tls/self-signed");
    let (Some(text), Some(certificate)) = (read(&mark)?, read(&folder.join("tls/cert.pem"))?)
    else {
        return Ok(());
    };
    if Origin::read(&text, certificate.as_bytes()) == Origin::Answers {
        fs::remove_file(&mark).with_context(|| format!("removing {}", mark.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        agent::{paths::Paths, target::Target},
        backup::manifest::FORMAT,
    };

    #[test]
    fn what_is_in_no_backup_stays_with_the_machine() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::of(&Target::new(root.path()).unwrap(), &Paths::default());
        let write = |path: &str, text: &str| {
            files::write_with_parents(&layout.path(Path::new(path)), text, 0o600).unwrap();
        };
        write("secrets/backup-passphrase", "now");
        write("secrets/controller", "now");
        write("restore/new/secrets/controller", "then");
        write("restore/new/secrets/backup-passphrase", "then");
        let staged = layout.staged();
        carry_over(&layout, &staged, &[Module::Mail]).unwrap();
        let text = |name: &str| fs::read_to_string(staged.join("secrets").join(name)).unwrap();
        assert_eq!(text("backup-passphrase"), "then");
        carry_over(&layout, &staged, &[Module::Keys]).unwrap();
        assert_eq!(
            (text("backup-passphrase"), text("controller")),
            ("now".into(), "then".into())
        );
        fs::remove_dir_all(staged.join("secrets")).unwrap();
        carry_over(&layout, &staged, &[Module::Keys]).unwrap();
        assert_eq!(fs::read_dir(staged.join("secrets")).unwrap().count(), 1);
    }

    #[test]
    fn a_newer_database_is_refused_before_anything_is_read() {
        let mut header = Header {
            format: FORMAT,
            id: "mail.example.org_20261124T033000Z".parse().unwrap(),
            version: "9.0.0".to_owned(),
            schema: Some(database::VERSION),
            modules: Module::ALL.to_vec(),
            complete_until: 1,
            files: 0,
            bytes: 0,
            archives: Vec::new(),
        };
        check_version(&header).unwrap();
        header.schema = Some(99);
        let error = check_version(&header).unwrap_err().to_string();
        let error = error.replace(&format!("schema {}", database::VERSION), "schema N");
        insta::assert_snapshot!(error, @"the backup mail.example.org_20261124T033000Z was made by ezmail 9.0.0, whose database (schema 99) is newer than what this version (0.1.0, schema N) can read; nothing was changed: restore it with that version, or a later one");
    }

    #[test]
    fn a_new_state_is_checked_before_it_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |module| {
            let error = prepare(folder.path(), &[module]).unwrap_err();
            format!("{error:#}").replace(folder.path().to_str().unwrap(), "NEW")
        };
        insta::assert_snapshot!(refused(Module::Database), @"the restored database: it is not there");
        let write = |name: &str, text: &str| {
            files::write_with_parents(&folder.path().join(name), text, 0o600).unwrap();
        };
        write(
            "mail.sqlite",
            &"no database, but as long as one. ".repeat(99),
        );
        insta::assert_snapshot!(refused(Module::Database), @"the restored database: reading the database NEW/mail.sqlite: file is not a database: Error code 26: File opened that is not a database file");
        prepare(folder.path(), &[Module::Mail]).unwrap();
        insta::assert_snapshot!(refused(Module::Config), @"there are no answers in it, and without them there is no server");
        write("state.json", r#"{"format": 2, "version": "9.0.0"}"#);
        insta::assert_snapshot!(refused(Module::Config), @"the restored state: the state was written by ezmail 9.0.0 (format 2), which is newer than this image (0.1.0, format 1); nothing was changed: boot that image, or a later one");
        write("state.json", &format::text().unwrap());
        write("answers/answers.toml", "hostname = 7\n");
        assert!(refused(Module::Config).starts_with("the restored answers: the kept answers"));
    }
}
