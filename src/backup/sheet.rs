//! The recovery sheet: a passphrase on a page of paper, so that it can be typed back.

use jiff::Timestamp;

use crate::util::{hash, secret::Secret};

/// Characters of a line, and of a group in it.
const LINE: usize = 16;
const GROUP: usize = 4;
/// More bytes than a page has.
const PAGE: usize = 8 * 1024;
/// Digits of a line's check.
const CHECK: usize = 4;

/// How it is used; without a passphrase in it.
const STEPS: &str = " 1. Take the answers file of this server ('mailctl answers export'), or\n    \
                 a new one with its hostname; and an image not older than the backup.\n \
             2. A key that may log in where the backups are. SFTP: the server's own key is\n    \
                 lost with it. ssh-keygen -t ed25519 -N '' -f backup_ed25519 makes another;\n    \
                 add backup_ed25519.pub to authorized_keys there. S3: the secret key.\n \
             3. In [backup]: target as above, passphrase, ssh_key_file or secret_key_file.\n    \
                 In [restore]: source, the same as target, or one file there.\n \
             4. ezmail embed answers.toml ezmail.iso; boot it where there is a blank disk.\n    \
                 It restores before it takes any mail. The console says when it is done.\n \
             5. Bring the DNS to its new addresses: mailctl dns check, and mailctl check.\n\n\
             A BACKUP BY HAND\n\n\
             Passphrase in a file, in one line without blanks. Any backup opens with three\n\
             standard programs:\n\n    \
                 encpipe -d -P passphrase.txt < FILE.tar.zst.encpipe | zstd -d | tar t\n\n\
             (tar x instead of tar t unpacks it; encpipe: github.com/jedisct1/encpipe)\n";

/// What a sheet is made from.
#[derive(Debug, Clone, Copy)]
pub struct Sheet<'a> {
    /// The server's full name.
    pub host: &'a str,
    /// Where its backups go, if it is known.
    pub target: Option<&'a str>,
    /// The passphrase.
    pub passphrase: &'a Secret,
    /// When it is printed, in seconds since 1970.
    pub now: i64,
}

/// A passphrase in lines: characters of it, and what they are checked by.
///
/// One with a blank in it, or with characters beyond ASCII, is a single line as it is: groups would
/// leave open which blanks are meant.
pub fn lines(passphrase: &Secret) -> Vec<Secret> {
    let text = passphrase.expose();
    if !in_groups(text) {
        return vec![passphrase.clone()];
    }
    let lines = text.as_bytes().chunks(LINE);
    let line = |bytes| Secret::new(String::from_utf8_lossy(bytes));
    lines.map(line).collect()
}

/// Whether it is written in groups, which are typed with or without the blanks between.
fn in_groups(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_graphic())
}

/// What a line is checked by: the beginning of its SHA-256.
pub fn check(line: &Secret) -> String {
    let mut check = hash::sha256(line.expose());
    check.truncate(CHECK);
    check
}

/// The lines as a person reads them, numbered, each with its check behind it.
pub fn shown(passphrase: &Secret) -> Secret {
    let grouped = in_groups(passphrase.expose());
    let mut text = Secret::default();
    for (n, line) in lines(passphrase).iter().enumerate() {
        let characters = match grouped {
            true => Secret::new(groups(line.expose())),
            false => line.clone(),
        };
        let width = LINE + LINE / GROUP - 1;
        let (before, characters) = (text.expose(), characters.expose());
        text = Secret::new(format!(
            "{before}    {}   {characters:<width$}   {}\n",
            n + 1,
            check(line)
        ));
    }
    text
}

fn groups(line: &str) -> String {
    let groups = line.as_bytes().chunks(GROUP);
    let groups: Vec<_> = groups.map(String::from_utf8_lossy).collect();
    groups.join(" ")
}

impl Sheet<'_> {
    /// The page: at most 60 lines of at most 80 columns, unless a name is long.
    pub fn text(&self) -> Secret {
        let target = self.target.unwrap_or("(no [backup] in the answers yet)");
        let date = Timestamp::from_second(self.now).unwrap_or_default();
        let date = date.strftime("%Y-%m-%d");
        // grown once, so that no copy of it stays behind in memory
        let mut text = String::with_capacity(PAGE);
        text += &format!(
            "RECOVERY SHEET OF {}\n\nprinted  {date}\nbackups  {target}\n\n\
             Keep this where the server is not. Who has it and a backup reads all mail;\n\
             without it, nobody opens a backup again.\n\n\
             PASSPHRASE\n\n",
            self.host
        );
        let shown = shown(self.passphrase);
        text += shown.expose();
        text += match in_groups(self.passphrase.expose()) {
            true => {
                "\nType the lines one after the other. Leave the number in front and the four\n\
                 digits at the end out: these check the line. The blanks between the groups are\n\
                 no part of the passphrase.\n"
            }
            false => {
                "\nType the line as it is, each blank too. Leave the number in front and the four\n\
                 digits at the end out: these check the line.\n"
            }
        };
        text += match self
            .passphrase
            .expose()
            .bytes()
            .all(|b| b.is_ascii_hexdigit())
        {
            true => "Only the digits 0 to 9 and the letters a to f are in it.\n",
            false => "",
        };
        text += "\nIs a line typed right? On any Linux machine, this prints its four digits:\n\n    \
                 read -r L; printf %s \"$L\" | sha256sum | cut -c 1-4     (without the blanks)\n\n\
                 Is all of it right? On the server: mailctl backup passphrase --check\n\n\
                 A NEW SERVER FROM A BACKUP\n\n";
        text += STEPS;
        Secret::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(passphrase: &str, target: Option<&str>) -> String {
        let sheet = Sheet {
            host: "mail.example.org",
            target,
            passphrase: &Secret::new(passphrase),
            now: 1_795_491_000,
        };
        let text = sheet.text();
        let text = text.expose();
        assert!(text.lines().count() <= 60, "{text}");
        assert!(text.lines().all(|l| l.chars().count() <= 80), "{text}");
        text.to_owned()
    }

    #[test]
    fn a_made_passphrase_is_in_groups() {
        let made = "5f0c7a1e9d2b4f6688aa31c05e7d9b120123456789abcdef00112233445566ff";
        let target = "sftp://backup@backup.example.net/srv/ezmail";
        insta::assert_snapshot!(sheet(made, Some(target)));
    }

    #[test]
    fn one_with_blanks_is_as_it_is() {
        let text = sheet("wood stapler rain bridge", None);
        let lines: Vec<_> = text.lines().skip(8).take(5).collect();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn a_line_that_does_not_fit_has_another_check() {
        let secret = Secret::new("abcdefghijklmnopqrst");
        let lines = lines(&secret);
        let lines: Vec<_> = lines.iter().map(|l| (l.expose(), check(l))).collect();
        let want = |line, check: &str| (line, check.to_owned());
        assert_eq!(
            lines,
            [want("abcdefghijklmnop", "f39d"), want("qrst", "8399")]
        );
    }
}
