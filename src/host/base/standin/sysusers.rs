//! Fixed user and group numbers: reads our `sysusers.d` file and renders it as lines of
//! `/etc/passwd` and its companions, for a composition whose maintainer scripts would otherwise
//! take the next free number.
//!
//! Format: sysusers.d(5); only what a file of fixed numbers needs (`u`, `g`, `m`).

use anyhow::{Result, bail};

/// A group with its number and members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its number.
    pub gid: u32,
    /// The users that are in it besides those who have it as their own.
    pub members: Vec<String>,
}

/// A user with its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its name; a group of that name and number exists as well.
    pub name: String,
    /// Its number.
    pub uid: u32,
    /// Who it is, for people.
    pub gecos: String,
    /// Its home folder.
    pub home: String,
    /// Its shell.
    pub shell: String,
}

/// What a sysusers file asks for, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Users {
    /// Groups, those of the users included.
    pub groups: Vec<Group>,
    /// Users.
    pub users: Vec<User>,
}

/// The four files that describe users, as lines to append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seed {
    /// For `/etc/passwd`.
    pub passwd: String,
    /// For `/etc/group`.
    pub group: String,
    /// For `/etc/shadow`: no password, locked.
    pub shadow: String,
    /// For `/etc/gshadow`.
    pub gshadow: String,
}

/// Shell of an account nobody logs in to; both bases have it there.
const NO_LOGIN: &str = "/usr/sbin/nologin";

/// Reads a sysusers file.
///
/// # Errors
/// When a line is no `u`, `g` or `m` line, has no fixed number, or gives a name or a number twice.
pub fn parse(text: &str) -> Result<Users> {
    let mut found = Users::default();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Err(problem) = found.add(line) {
            bail!("line {}: {problem}", number + 1);
        }
    }
    Ok(found)
}

impl Users {
    fn add(&mut self, line: &str) -> Result<()> {
        let words = words(line)?;
        let word = |i: usize| {
            words
                .get(i)
                .map(String::as_str)
                .filter(|w| !w.is_empty() && *w != "-")
        };
        let (Some(kind), Some(name)) = (word(0), word(1)) else {
            bail!("'{line}' has no name");
        };
        match kind {
            "u" => {
                let uid = fixed(name, word(2))?;
                self.add_group(name, uid)?;
                self.users.push(User {
                    name: name.into(),
                    uid,
                    gecos: word(3).unwrap_or("").into(),
                    home: word(4).unwrap_or("/").into(),
                    shell: word(5).unwrap_or(NO_LOGIN).into(),
                });
            }
            "g" => self.add_group(name, fixed(name, word(2))?)?,
            "m" => {
                let Some(group) = word(2) else {
                    bail!("'{line}' names no group");
                };
                match self.groups.iter_mut().find(|g| g.name == group) {
                    Some(g) => g.members.push(name.into()),
                    None => {
                        bail!("'{name}' is to be in the group '{group}', which no line above makes")
                    }
                }
            }
            _ => bail!("'{kind}' is not one of u, g, m"),
        }
        Ok(())
    }

    fn add_group(&mut self, name: &str, gid: u32) -> Result<()> {
        if let Some(other) = self.groups.iter().find(|g| g.name == name || g.gid == gid) {
            bail!(
                "'{name}' {gid} clashes with '{}' {} above",
                other.name,
                other.gid
            );
        }
        self.groups.push(Group {
            name: name.into(),
            gid,
            members: Vec::new(),
        });
        Ok(())
    }

    /// The lines to append to the four files.
    pub fn seed(&self) -> Seed {
        let lines = |f: &dyn Fn(&User) -> String| self.users.iter().map(f).collect();
        let group_lines = |f: &dyn Fn(&Group) -> String| self.groups.iter().map(f).collect();
        Seed {
            passwd: lines(&|u| {
                format!(
                    "{}:x:{}:{}:{}:{}:{}\n",
                    u.name, u.uid, u.uid, u.gecos, u.home, u.shell
                )
            }),
            // what systemd-sysusers writes: no password, locked; no date, for the same bytes every day
            shadow: lines(&|u| format!("{}:!*:::::::\n", u.name)),
            group: group_lines(&|g| format!("{}:x:{}:{}\n", g.name, g.gid, g.members.join(","))),
            gshadow: group_lines(&|g| format!("{}:!*::{}\n", g.name, g.members.join(","))),
        }
    }
}

fn fixed(name: &str, id: Option<&str>) -> Result<u32> {
    match id.map(str::parse) {
        Some(Ok(id)) => Ok(id),
        Some(Err(_)) | None => {
            bail!("'{name}' needs a fixed number: what it owns outlives the image")
        }
    }
}

/// Splits at blanks; `"…"` keeps them.
fn words(line: &str) -> Result<Vec<String>> {
    let (mut words, mut word, mut quoted, mut open) = (Vec::new(), String::new(), false, false);
    for c in line.chars() {
        match c {
            '"' => {
                quoted = !quoted;
                open = true;
            }
            c if c.is_whitespace() && !quoted => {
                if open {
                    words.push(std::mem::take(&mut word));
                }
                open = false;
            }
            ':' => bail!("':' cannot be in a field of /etc/passwd"),
            c => {
                word.push(c);
                open = true;
            }
        }
    }
    if quoted {
        bail!("a quote is not closed");
    }
    if open {
        words.push(word);
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_become_lines_of_the_four_files() {
        let users = parse(
            "# ours\nu smtpd 300 \"Open SMTPD\" /var/empty\nu build 1000 - /home/build /bin/bash\n\
             g systemd-journal 190\nm smtpd systemd-journal\n",
        )
        .unwrap();
        let seed = users.seed();
        insta::assert_snapshot!(
            [seed.passwd, seed.group, seed.shadow, seed.gshadow].join("--\n"),
            @r"
        smtpd:x:300:300:Open SMTPD:/var/empty:/usr/sbin/nologin
        build:x:1000:1000::/home/build:/bin/bash
        --
        smtpd:x:300:
        build:x:1000:
        systemd-journal:x:190:smtpd
        --
        smtpd:!*:::::::
        build:!*:::::::
        --
        smtpd:!*::
        build:!*::
        systemd-journal:!*::smtpd
        "
        );
    }

    #[test]
    fn errors_name_the_line() {
        let error = |t: &str| format!("{:#}", parse(t).unwrap_err());
        insta::assert_snapshot!(error("u a -"), @"line 1: 'a' needs a fixed number: what it owns outlives the image");
        insta::assert_snapshot!(error("\nx a 1"), @"line 2: 'x' is not one of u, g, m");
        insta::assert_snapshot!(error("u a 1\ng b 1"), @"line 2: 'b' 1 clashes with 'a' 1 above");
        insta::assert_snapshot!(error("m a b"), @"line 1: 'a' is to be in the group 'b', which no line above makes");
        insta::assert_snapshot!(error("u a 1 \"x"), @"line 1: a quote is not closed");
        insta::assert_snapshot!(error("u a 1 x:y"), @"line 1: ':' cannot be in a field of /etc/passwd");
    }

    #[test]
    fn our_own_file_is_valid() {
        let users = parse(include_str!(
            "../../../../airootfs/usr/lib/sysusers.d/00-ezmail.conf"
        ))
        .unwrap();
        assert!(
            users
                .users
                .iter()
                .any(|u| u.name == "vmail" && u.uid == 308)
        );
    }
}
