//! ezmail: from one answers file to a running personal mail server.
//!
//! The map of the house; data flows down each column, never back:
//!
//! | on the build host ([`host`]) | in the image |
//! |---|---|
//! | base: where distribution packages come from | discover the answers |
//! | packages: our PKGBUILDs, built in a clean root | validate them |
//! | repo: the pacman repository `ezmail` | render every configuration |
//! | profile: the archiso profile | apply what changed |
//! | image: the bootable ISO | |
//!
//! [`answers`] is the schema of the answers file, for host and image alike; [`mail`] knows
//! addresses, passwords and DKIM keys; [`encpipe`] is the stream encryption of backups, for the
//! program of that name and for [`backup`]; [`iso9660`] looks into images; [`dns`] asks
//! name servers.
//!
//! [`wizard`] is the form that asks for the answers, on a server's console and on the build host.
//!
//! [`programs`] makes manual pages and completions of all command lines.
//!
//! [`util`] holds the small things that all share: running commands, writing files so that none
//! is ever half written, the namespace sandbox, secrets.

pub mod agent;
pub mod answers;
pub mod backup;
pub mod ctl;
pub mod disk;
pub mod dns;
pub mod encpipe;
pub mod filter;
pub mod guard;
pub mod host;
pub mod iso9660;
pub mod loader;
pub mod mail;
pub mod programs;
pub mod smtpd;
pub mod sts;
pub mod util;
pub mod wizard;
