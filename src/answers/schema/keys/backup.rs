//! Backups, and starting from one.

use super::FILE;
use crate::answers::schema::{Key, Kind};

/// How many backups of a kind are kept.
const COUNT: Kind = Kind::Integer { min: 0, max: 1000 };

pub const BACKUP: &[Key] = &[
    Key::new("backup", Kind::Table, "backups")
        .default("no backup is made")
        .doc(
            "Where backups go, how often, and with what they are encrypted. The first one is made \
             soon after the server was set up.",
        ),
    Key::new("backup.target", Kind::String, "an address of a folder")
        .required()
        .pattern("^(sftp|s3)://")
        .example("\"sftp://backup@backup.example.net/srv/ezmail\"")
        .doc(
            "Where they go: `sftp://USER@HOST[:PORT]/FOLDER`, or a store that speaks S3, \
             `s3://ACCESS_KEY@HOST[:PORT]/BUCKET[/FOLDER]`.",
        ),
    Key::new("backup.schedule", Kind::String, "a word or an hour")
        .default("`\"daily\"`")
        .pattern("^(hourly|daily|weekly|never|([01][0-9]|2[0-3]):[0-5][0-9])$")
        .example("\"03:30\"")
        .doc(
            "How often: `hourly`, `daily` (at 03:30), `weekly` (on Sunday at 03:30), or every day \
             at an hour of `timezone`. `never`: only when `mailctl backup create` is called.",
        ),
    Key::new("backup.keep", Kind::Table, "how many backups are kept")
        .doc("How many backups stay; what is in none of these counts is deleted."),
    Key::new("backup.keep.daily", COUNT, "a number")
        .default("7")
        .example("14")
        .doc("The newest of each of so many days."),
    Key::new("backup.keep.weekly", COUNT, "a number")
        .default("4")
        .example("8")
        .doc("The newest of each of so many weeks."),
    Key::new("backup.keep.monthly", COUNT, "a number")
        .default("6")
        .example("12")
        .doc("The newest of each of so many months."),
    Key::new("backup.passphrase", Kind::String, "a passphrase")
        .secret()
        .default("the server makes one; `mailctl backup passphrase` shows it")
        .example("\"…\"")
        .doc(
            "What backups are encrypted with: at least 20 characters, best what `encpipe -G` \
             prints. Keep a copy where the server is not: nobody opens a backup without it. \
             `ezmail answers recovery-sheet` prints one for paper. Either this or \
             `passphrase_file`.",
        ),
    Key::new("backup.passphrase_file", Kind::String, "a file name")
        .pattern(FILE)
        .example("\"backup.passphrase\"")
        .doc(
            "The name of a file beside the answers that holds the passphrase: in its first line, or, \
             of one that was made here, in rows as on the recovery sheet. \
             `ezmail answers recovery-sheet` makes it if it is not there.",
        ),
    Key::new("backup.ssh_key", Kind::String, "an SSH private key")
        .secret()
        .default("the server makes one and shows its public half")
        .example("\"\"\"\n-----BEGIN OPENSSH PRIVATE KEY-----\n…\n-----END OPENSSH PRIVATE KEY-----\n\"\"\"")
        .doc(
            "For `sftp://`: the key to log in with, as `ssh-keygen` makes it, without a \
             passphrase. Either this or `ssh_key_file`.",
        ),
    Key::new("backup.ssh_key_file", Kind::String, "a file name")
        .pattern(FILE)
        .example("\"backup_ed25519\"")
        .doc("The name of a file beside the answers that holds the SSH key."),
    Key::new("backup.host_key", Kind::String, "an SSH public key")
        .default("the key that the other machine shows at first is the one that it has to have")
        .example("\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIP4kN02bKad5JFvgb0kscFl71RcEzVsNrCQwv8lcfGMO\"")
        .doc(
            "For `sftp://`: the key by which the other machine is known, without the name that \
             `ssh-keyscan -t ed25519 HOST` prints before it.",
        ),
    Key::new("backup.secret_key", Kind::String, "a secret key")
        .secret()
        .example("\"…\"")
        .doc("For `s3://`: the secret that goes with the access key. Either this or `secret_key_file`."),
    Key::new("backup.secret_key_file", Kind::String, "a file name")
        .pattern(FILE)
        .example("\"s3.secret\"")
        .doc("The name of a file beside the answers that holds the secret key in its first line."),
    Key::new("restore", Kind::Table, "a backup to begin with")
        .doc(
            "A backup that a new server starts from. Passphrase and keys are those of `[backup]`, \
             which has to have a passphrase.",
        ),
    Key::new("restore.source", Kind::String, "an address or a file name")
        .required()
        .example("\"sftp://backup@backup.example.net/srv/ezmail\"")
        .doc(
            "A folder of backups, of which the newest is taken, or one backup, written as \
             `backup.target` is; or the name of a file beside the answers.",
        ),
];
