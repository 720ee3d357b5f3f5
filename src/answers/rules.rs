//! The rules that an answers file is checked against.

use serde::Serialize;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The file is refused.
    Error,
    /// The file is taken, but probably does not do what its author wants.
    Warning,
}

/// Makes [`Rule`] and the list of its members from one table.
macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident = $slug:literal, $level:ident;)*) => {
        /// The rules that an answers file is checked against; the slug is stable, for scripts.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        pub enum Rule {
            $($(#[$doc])* #[serde(rename = $slug)] $name,)*
        }

        impl Rule {
            /// Every rule.
            pub const ALL: &[Rule] = &[$(Rule::$name),*];

            /// The name of the rule, such as `unknown-key`.
            pub const fn slug(self) -> &'static str {
                match self { $(Rule::$name => $slug,)* }
            }

            /// Whether breaking the rule is an error or a warning.
            pub const fn level(self) -> Level {
                match self { $(Rule::$name => Level::$level,)* }
            }
        }
    };
}

rules! {
    /// The file is larger than 1 MiB.
    TooLarge = "too-large", Error;
    /// The file is not UTF-8.
    NotUtf8 = "not-utf8", Error;
    /// The file is not TOML.
    Syntax = "syntax", Error;
    /// A key that the schema does not have.
    UnknownKey = "unknown-key", Error;
    /// A required key is not there.
    MissingKey = "missing-key", Error;
    /// A value of another type.
    WrongType = "wrong-type", Error;
    /// A number outside its range.
    OutOfRange = "out-of-range", Error;
    /// A word that is not among those allowed.
    UnknownWord = "unknown-word", Error;
    /// Of two keys exactly one is needed.
    OneOf = "one-of", Error;
    /// Not a full host name.
    HostName = "host-name", Error;
    /// A host name that the Internet does not resolve.
    PrivateName = "private-name", Warning;
    /// Not a domain name.
    DomainName = "domain-name", Error;
    /// A domain listed twice.
    DuplicateDomain = "duplicate-domain", Error;
    /// A DKIM selector that DNS cannot hold.
    DkimSelector = "dkim-selector", Error;
    /// Two DKIM keys of a domain with one selector.
    DuplicateSelector = "duplicate-selector", Error;
    /// Not a DKIM key.
    DkimKey = "dkim-key", Error;
    /// The name of a key file that is not a plain file name.
    FileName = "file-name", Error;
    /// A file that the answers name and that is not beside them.
    FileMissing = "file-missing", Error;
    /// Not a mail address.
    Address = "address", Error;
    /// An address whose domain is not listed.
    ForeignDomain = "foreign-domain", Error;
    /// An address given twice.
    DuplicateAddress = "duplicate-address", Error;
    /// A name with characters that headers cannot hold.
    DisplayName = "display-name", Error;
    /// A password that guessing finds.
    WeakPassword = "weak-password", Error;
    /// A password in plain text.
    PlainPassword = "plain-password", Warning;
    /// Not an argon2id hash, or one that costs too much.
    PasswordHash = "password-hash", Error;
    /// A hash that is cheap to guess against.
    WeakHash = "weak-hash", Warning;
    /// The hash of the printed example, which fits no password.
    ExampleHash = "example-hash", Warning;
    /// Not a size.
    Quota = "quota", Error;
    /// A catch-all written in another way, or in a place where it cannot be.
    CatchAll = "catch-all", Error;
    /// An alias that leads nowhere.
    AliasEmpty = "alias-empty", Error;
    /// An alias to an address of ours that does not exist.
    AliasTarget = "alias-target", Error;
    /// Aliases that lead to each other.
    AliasLoop = "alias-loop", Error;
    /// A target given twice.
    DuplicateTarget = "duplicate-target", Warning;
    /// The postmaster has no mailbox.
    Postmaster = "postmaster", Error;
    /// Notices to an address of ours that does not exist.
    Notify = "notify", Error;
    /// Notices to the very server that they are about.
    NotifyOwn = "notify-own-domain", Warning;
    /// Not an address that a webhook can have.
    Webhook = "webhook", Error;
    /// Not a time zone.
    TimeZone = "time-zone", Error;
    /// Not a crypt(5) hash of the kinds that the console takes, or one that costs too much.
    CryptHash = "crypt-hash", Error;
    /// Not a certificate chain.
    Certificate = "certificate", Error;
    /// Not the private key of a certificate.
    CertificateKey = "certificate-key", Error;
    /// A certificate and another one's key.
    CertificatePair = "certificate-pair", Error;
    /// A certificate for other names.
    CertificateName = "certificate-name", Error;
    /// A certificate that is expired, will be soon, or is not valid yet.
    CertificateDates = "certificate-dates", Warning;
    /// Not the address of an ACME directory.
    AcmeDirectory = "acme-directory", Error;
    /// Not certificates of authorities.
    AcmeAuthority = "acme-authority", Error;
    /// Both a certificate and an authority to ask for one.
    AcmeAndTls = "acme-and-tls", Error;
    /// Not the address of a place for backups.
    BackupTarget = "backup-target", Error;
    /// Neither a word for how often, nor an hour.
    BackupSchedule = "backup-schedule", Error;
    /// Every backup would be deleted again.
    BackupKeep = "backup-keep", Error;
    /// A passphrase that is too short, or that guessing finds.
    BackupPassphrase = "backup-passphrase", Error;
    /// Not an SSH private key that a program can use.
    BackupKey = "backup-key", Error;
    /// A key of another kind of target, or a target without the key that it needs.
    BackupLogin = "backup-login", Error;
    /// Not the SSH public key of a machine.
    BackupHostKey = "backup-host-key", Error;
    /// Not the address of a backup.
    RestoreSource = "restore-source", Error;
    /// A restore without the passphrase.
    RestoreBackup = "restore-without-backup", Error;
    /// Not an SSH public key.
    SshKey = "ssh-key", Error;
    /// A key listed twice.
    DuplicateSshKey = "duplicate-ssh-key", Warning;
    /// Nobody can log in.
    NoSshKey = "no-ssh-key", Warning;
    /// A smarthost's name that is none.
    SmarthostHost = "smarthost-host", Error;
    /// A smarthost's user name without password, or the other way round.
    SmarthostLogin = "smarthost-login", Error;
    /// A user name or password that SMTP cannot send.
    SmarthostText = "smarthost-text", Error;
    /// Not the address of a DNS server.
    Forwarder = "forwarder", Error;
    /// Not a DS or DNSKEY record.
    TrustAnchor = "trust-anchor", Error;
    /// Not an address with prefix, or one that no machine can have.
    NetworkAddress = "network-address", Error;
    /// A gateway that cannot be reached, or a second one.
    Gateway = "gateway", Error;
    /// Not the name of a network interface.
    Interface = "interface", Error;
    /// Not a hardware address.
    Mac = "mac", Error;
    /// Static, but without an address.
    NetworkMode = "network-mode", Error;
    /// Static, but without a gateway.
    NoGateway = "no-gateway", Warning;
    /// Not the path of a disk.
    Device = "device", Error;
    /// Both a disk to install to and a state volume elsewhere.
    InstallAndState = "install-and-state", Error;
    /// Without a state volume everything is gone after a reboot.
    NoState = "no-state", Warning;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_unique() {
        let mut slugs: Vec<_> = Rule::ALL.iter().map(|r| r.slug()).collect();
        slugs.sort_unstable();
        slugs.dedup();
        assert_eq!(slugs.len(), Rule::ALL.len());
    }
}
