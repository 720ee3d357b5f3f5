//! A folder to apply to, and ways to look at it.

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
};

use tempfile::TempDir;

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A file of `tests/answers/good`.
pub fn good(name: &str) -> PathBuf {
    project("tests/answers/good").join(format!("{name}.toml"))
}

/// Its text.
pub fn text(name: &str) -> String {
    fs::read_to_string(good(name)).unwrap()
}

/// Its passwords, as in the image.
pub const SHADOW: &str = "root:!*:19000::::::\nsmtpd:!*:19000::::::\n";

/// A root with the users of the image, and a folder for answers.
pub struct World {
    folder: TempDir,
}

/// How a run ended.
pub struct Done {
    pub status: ExitStatus,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Done {
    pub fn stdout(&self) -> String {
        String::from_utf8(self.stdout.clone()).unwrap()
    }

    pub fn stderr(&self) -> String {
        String::from_utf8(self.stderr.clone()).unwrap()
    }

    pub fn text(&self) -> String {
        self.stdout() + &self.stderr()
    }
}

impl World {
    pub fn new() -> Self {
        let world = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        fs::create_dir_all(world.path("etc")).unwrap();
        fs::create_dir(world.folder.path().join("answers")).unwrap();
        let (mut users, mut groups) = (String::new(), String::new());
        let sysusers = project("airootfs/usr/lib/sysusers.d/00-ezmail.conf");
        for line in fs::read_to_string(sysusers).unwrap().lines() {
            let words: Vec<_> = line.split_whitespace().collect();
            if let ["u" | "g", name, id, ..] = words[..] {
                writeln!(groups, "{name}:x:{id}:").unwrap();
                writeln!(users, "{name}:x:{id}:{id}::/:/bin/false").unwrap();
            }
        }
        fs::write(world.path("etc/passwd"), users).unwrap();
        fs::write(world.path("etc/group"), groups).unwrap();
        fs::write(world.path("etc/shadow"), SHADOW).unwrap();
        fs::set_permissions(world.path("etc/shadow"), fs::Permissions::from_mode(0o600)).unwrap();
        for zone in ["UTC", "Europe/Berlin"] {
            let path = world.path("usr/share/zoneinfo").join(zone);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "TZif2 (the beginning is all that is looked at)").unwrap();
        }
        world
    }

    /// A path below the root.
    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join("root").join(path)
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    /// Writes an answers file.
    pub fn answers(&self, name: &str, text: &str) -> PathBuf {
        let folder = self.folder.path().join("answers");
        for entry in fs::read_dir(good("x").parent().unwrap()).unwrap() {
            let from = entry.unwrap().path();
            if from.extension().is_none_or(|e| e != "toml") {
                fs::copy(&from, folder.join(from.file_name().unwrap())).unwrap();
            }
        }
        fs::write(folder.join(name), text).unwrap();
        folder.join(name)
    }

    pub fn apply(&self, answers: &Path) -> Done {
        self.run(answers, &[])
    }

    pub fn run(&self, answers: &Path, arguments: &[&str]) -> Done {
        let program = Path::new(env!("CARGO_BIN_EXE_ezmail-agent"));
        let templates = project("airootfs/usr/share/ezmail/templates");
        self.spawn(Command::new(program), answers, &templates, arguments)
    }

    /// As a user who is not root: the caller, or nobody if that is root.
    pub fn as_nobody(&self, answers: &Path) -> Done {
        if fs::metadata(self.path("")).unwrap().uid() != 0 {
            return self.apply(answers);
        }
        // what a stranger can reach
        let open = self.folder.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(self.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(self.path(""), fs::Permissions::from_mode(0o777)).unwrap();
        fs::set_permissions(self.path("etc"), fs::Permissions::from_mode(0o777)).unwrap();
        let shadow = self.path("etc/shadow");
        fs::set_permissions(shadow, fs::Permissions::from_mode(0o644)).unwrap();
        let program = open.join("ezmail-agent");
        fs::copy(env!("CARGO_BIN_EXE_ezmail-agent"), &program).unwrap();
        fs::copy(answers, open.join("answers.toml")).unwrap();
        let templates = project("airootfs/usr/share/ezmail/templates");
        for entry in walkdir::WalkDir::new(&templates) {
            let entry = entry.unwrap();
            let to = open
                .join("templates")
                .join(entry.path().strip_prefix(&templates).unwrap());
            if entry.file_type().is_dir() {
                fs::create_dir(to).unwrap();
            } else {
                fs::copy(entry.path(), to).unwrap();
            }
        }
        let mut command = Command::new(program);
        command.uid(65534).gid(65534).current_dir("/");
        self.spawn(
            command,
            &open.join("answers.toml"),
            &open.join("templates"),
            &[],
        )
    }

    /// By the answers that are kept.
    pub fn run_kept(&self) -> Done {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ezmail-agent"));
        command.args(["apply", "--kept"]);
        let templates = project("airootfs/usr/share/ezmail/templates");
        self.finish(command, &templates, &[])
    }

    fn spawn(&self, mut command: Command, answers: &Path, templates: &Path, more: &[&str]) -> Done {
        command.arg("apply").arg("--answers").arg(answers);
        self.finish(command, templates, more)
    }

    fn finish(&self, mut command: Command, templates: &Path, more: &[&str]) -> Done {
        command.arg("--root").arg(self.path(""));
        command.arg("--templates").arg(templates);
        command.args(["--memory", "1024"]).args(more);
        let output = command.output().unwrap();
        Done {
            status: output.status,
            stdout: output.stdout,
            stderr: output.stderr,
        }
    }

    fn entries(&self) -> Vec<(String, fs::Metadata)> {
        let root = self.path("");
        let walk = walkdir::WalkDir::new(&root)
            .min_depth(1)
            .sort_by_file_name();
        walk.into_iter()
            .map(|entry| {
                let entry = entry.unwrap();
                let name = entry.path().strip_prefix(&root).unwrap().to_str().unwrap();
                (name.to_owned(), entry.metadata().unwrap())
            })
            .filter(|(name, _)| !name.starts_with("run"))
            .collect()
    }

    /// Inode, time of change, mode and owner of every file, but for what is gone with a boot.
    pub fn inodes(&self) -> BTreeMap<String, String> {
        let files = self
            .entries()
            .into_iter()
            .filter(|(_, data)| data.is_file());
        files
            .map(|(name, data)| {
                let (seconds, nanos) = (data.ctime(), data.ctime_nsec());
                (
                    name,
                    format!(
                        "{} {seconds}.{nanos} {:o} {}",
                        data.ino(),
                        data.mode(),
                        data.uid()
                    ),
                )
            })
            .collect()
    }

    /// Whether the modes, and for root the owners, are those of `list`.
    pub fn check(&self, list: &str) {
        let group = self.read("etc/group");
        let id = |name: &str| match name {
            "root" => 0,
            _ => {
                let line = group
                    .lines()
                    .find_map(|l| l.strip_prefix(&format!("{name}:x:")));
                line.unwrap().trim_end_matches(':').parse::<u32>().unwrap()
            }
        };
        for line in list.lines() {
            let (path, rest) = line[1..].split_once(" (").unwrap();
            let (mode, owners) = rest.trim_end_matches(')').split_once(' ').unwrap();
            let data = fs::metadata(self.path(path)).unwrap();
            assert_eq!(format!("{:o}", data.mode() & 0o7777), mode, "{line}");
            if fs::metadata(self.path("")).unwrap().uid() == 0 {
                let (user, group) = owners.split_once(':').unwrap();
                assert_eq!((data.uid(), data.gid()), (id(user), id(group)), "{line}");
            }
        }
    }

    /// The files that no template gives, but for binary ones and secrets.
    pub fn own_files(&self) -> String {
        let mut text = String::new();
        for (name, data) in self.entries() {
            let template = project("airootfs/usr/share/ezmail/templates").join(&name);
            let text_file = data.is_file()
                && data.mode() & 0o004 != 0
                && !template.exists()
                && ![
                    "passwd",
                    "group",
                    "self-signed",
                    "cert.pem",
                    "key.pub",
                    "mobileconfig",
                    "UTC",
                    "Berlin",
                ]
                .iter()
                .any(|end| name.ends_with(end));
            if text_file || name.ends_with("authorized_keys") {
                writeln!(text, "=== {name}\n{}", masked(&self.read(&name))).unwrap();
            }
        }
        text
    }

    /// Every row of the database.
    pub fn database(&self) -> String {
        let db = rusqlite::Connection::open(self.path("var/lib/ezmail/mail.sqlite")).unwrap();
        let mut text = String::new();
        for query in [
            "SELECT name FROM domain ORDER BY 1",
            "SELECT local_part || '@' || name || ' ' || enabled || ' ' || quota_bytes FROM user
             JOIN domain ON domain.id = domain_id ORDER BY 1",
            "SELECT local_part || ' ' || kind || ' ' || substr(hash, 1, 30) FROM credential
             JOIN user ON user.id = user_id ORDER BY 1",
            "SELECT coalesce(local_part, '*') || '@' || name || ' -> ' || target FROM alias
             JOIN domain ON domain.id = domain_id ORDER BY 1",
            "SELECT key || ' ' || substr(value, 1, 40) FROM meta ORDER BY 1",
            "SELECT * FROM pragma_journal_mode",
        ] {
            let mut rows = db.prepare(query).unwrap();
            for row in rows.query_map([], |row| row.get::<_, String>(0)).unwrap() {
                text += &(row.unwrap() + "\n");
            }
            text += "\n";
        }
        text
    }
}

/// The paths of a dry run on an empty root, with mode and owners.
pub fn list(preview: &str) -> String {
    let mut text = String::new();
    for line in preview.lines() {
        let file = line
            .strip_prefix("+++ ")
            .or_else(|| line.strip_prefix("folder "));
        if let Some(file) = file.or_else(|| line.contains("becomes a secret").then_some(line)) {
            text += file.split_inclusive(')').next().unwrap();
            text += "\n";
        }
    }
    text
}

/// Without what is made anew each time: public keys of generated key pairs.
pub fn masked(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        match line.split_once(" p=") {
            Some((head, _)) if line.contains("ezmail-") => {
                writeln!(out, "{head} p=[generated]").unwrap();
            }
            _ => match line.split_once(" 3 1 1 ") {
                Some((head, _)) => writeln!(out, "{head} 3 1 1 [of the certificate]").unwrap(),
                None => out += &format!("{line}\n"),
            },
        }
    }
    out
}
