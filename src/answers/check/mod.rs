//! The second check: what the values mean, alone and together.

mod acme;
mod aliases;
mod backup;
mod console;
mod disk;
mod dns;
mod domains;
mod network;
mod server;
mod smarthost;
mod ssh;
mod tls;
mod users;

use std::{collections::BTreeMap, io, ops::Range};

use super::{
    MAX_FILE,
    model::{Answers, Quota},
    node::{Node, Text},
    report::Report,
    rules::Rule,
};
use crate::{
    mail::{
        address::{Address, DomainName},
        routes::Routes,
    },
    util::secret::Secret,
};

/// Gives the content of a file that lies beside the answers.
pub type Files<'a> = &'a dyn Fn(&str) -> io::Result<Vec<u8>>;

/// An address that exists, for finding duplicates and following aliases.
struct Taken {
    /// Where it was said first.
    span: Range<usize>,
    /// Where its mail goes on to; empty for a mailbox.
    to: Vec<Address>,
}

/// What the checks share.
struct Context<'a> {
    report: &'a mut Report,
    files: Option<Files<'a>>,
    /// The listed domains.
    domains: Vec<DomainName>,
    /// Whether all of them could be read: else nothing can be said about unlisted ones.
    domains_known: bool,
    /// Every address of ours, and every catch-all as `@domain`.
    taken: BTreeMap<String, Taken>,
    /// Whether every user and alias could be read.
    addresses_known: bool,
}

/// Checks all values of a document; `None` when an error was reported.
pub(super) fn check(
    root: &Node<'_>,
    files: Option<Files<'_>>,
    report: &mut Report,
) -> Option<Answers> {
    let mut cx = Context {
        report,
        files,
        domains: Vec::new(),
        domains_known: true,
        taken: BTreeMap::new(),
        addresses_known: true,
    };
    let hostname = server::hostname(root, &mut cx);
    let domains = domains::check(root, &mut cx);
    let users = users::check(root, &domains, &mut cx);
    let aliases = aliases::check(root, &mut cx);
    let postmaster = server::postmaster(root, &users, &mut cx);
    aliases::follow(root, &aliases, postmaster.as_ref(), &mut cx);
    let notify = server::notify(root, postmaster.as_ref(), &mut cx);
    let webhook = acme::webhook(root, &mut cx);
    let timezone = server::timezone(root, &mut cx);
    let messages_per_hour = root.integer("messages_per_hour");
    let ssh = ssh::check(root, &mut cx);
    let console = console::check(root, hostname.as_ref(), &mut cx);
    let tls = tls::check(root, hostname.as_ref(), &mut cx);
    let acme = acme::check(root, &mut cx);
    let smarthost = smarthost::check(root, &mut cx);
    let dns = dns::check(root, &mut cx);
    let network = network::check(root, &mut cx);
    let state = disk::state(root, &mut cx);
    let install = disk::install(root, &mut cx);
    let backup = backup::backup(root, &mut cx);
    let restore = backup::restore(root, &mut cx);
    if cx.report.errors() > 0 {
        return None;
    }
    Some(Answers {
        hostname: hostname?,
        postmaster: postmaster?,
        notify,
        webhook,
        timezone: timezone?,
        messages_per_hour: messages_per_hour.and_then(|n| u32::try_from(n).ok()),
        domains,
        users,
        aliases,
        ssh,
        console,
        tls,
        acme,
        smarthost,
        dns,
        network,
        state,
        install,
        backup,
        restore,
    })
}

impl Context<'_> {
    /// Reports a finding about a value.
    fn about(&mut self, rule: Rule, value: &Text<'_>, message: impl ToString, help: &str) {
        let (path, span) = (value.path.clone(), value.span.clone());
        self.report.add(rule, path, span, message.to_string(), help);
    }

    /// An address in one of our domains; anything else is reported.
    fn own_address(&mut self, value: &Text<'_>) -> Option<Address> {
        let address = match Address::own(value.text) {
            Ok(address) => address,
            Err(e) => {
                let help = "write an address such as `alice@example.org`, with letters, digits, \
                            `.`, `_` and `-` before the `@`";
                self.about(Rule::Address, value, address_error(value.text, &e), help);
                return None;
            }
        };
        self.is_own(&address.domain, value).then_some(address)
    }

    /// Whether the domain is listed; if not, that is reported.
    fn is_own(&mut self, domain: &DomainName, value: &Text<'_>) -> bool {
        let listed = self.domains.contains(domain);
        if !listed && self.domains_known {
            let message = format!("the domain `{domain}` is not listed");
            let help = format!(
                "add a `[[domain]]` with `name = \"{domain}\"`, or use an address in {}",
                list(&self.domains)
            );
            self.about(Rule::ForeignDomain, value, message, &help);
        }
        listed
    }

    /// An address anywhere; what is none is reported.
    fn any_address(&mut self, value: &Text<'_>) -> Option<Address> {
        match value.text.parse::<Address>() {
            Ok(address) if self.domains.contains(&address.domain) => Some(Address {
                local: address.local.to_ascii_lowercase(),
                ..address
            }),
            Ok(address) => Some(address),
            Err(e) => {
                let help = "write an address such as `alice@example.org`";
                self.about(Rule::Address, value, address_error(value.text, &e), help);
                None
            }
        }
    }

    /// A size of a mailbox; what is none is reported.
    fn quota(&mut self, value: &Text<'_>) -> Option<Quota> {
        let quota = value.text.parse();
        if quota.is_err() {
            let message = format!("`{}` is not a size that a mailbox can have", value.text);
            let help =
                "write a whole number and `M`, `G` or `T`, such as `\"5G\"`; at least `\"100M\"`";
            self.about(Rule::Quota, value, message, help);
        }
        quota.ok()
    }

    /// Takes an address (or `@domain`); a second time is reported.
    fn take(&mut self, name: String, value: &Text<'_>, to: Vec<Address>) {
        if let Some(first) = self.taken.get(&name) {
            let line = self.report.line_of(first.span.start);
            let message = format!("`{name}` is there already, in line {line}");
            let help = "remove one of the two (capitals make no difference in an address)";
            self.about(Rule::DuplicateAddress, value, message, help);
            return;
        }
        let span = value.span.clone();
        self.taken.insert(name, Taken { span, to });
    }

    /// Where every address leads, as far as it is known.
    fn routes(&self, postmaster: Option<&Address>) -> Routes {
        let taken = self.taken.iter();
        Routes {
            domains: self.domains.iter().cloned().collect(),
            taken: taken
                .map(|(name, t)| (name.clone(), t.to.clone()))
                .collect(),
            postmaster: postmaster.cloned(),
        }
    }

    /// The text of the key `name`, or of the file that `NAME_file` names, with where it was said;
    /// and the name of that file. No text when it was reported, or there are no files to read.
    fn inline_or_file<'n>(
        &mut self,
        node: &Node<'n>,
        name: &str,
    ) -> (Option<(Text<'n>, Secret)>, Option<String>) {
        if let Some(value) = node.text(name) {
            let text = Secret::new(value.text);
            return (Some((value, text)), None);
        }
        let Some(value) = node.text(&format!("{name}_file")) else {
            return (None, None);
        };
        let file = value.text.to_owned();
        let text = self.file(&value);
        (text.map(|text| (value, text)), Some(file))
    }

    /// The value, if it is the plain name of a file; if not, that is reported.
    fn file_name<'t>(&mut self, value: &Text<'t>) -> Option<&'t str> {
        let name = value.text;
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || name.len() > 100 || name.starts_with('.') || !name.chars().all(plain)
        {
            let help = "write the name of a file in the folder of the answers: letters, digits, \
                        `.`, `_` and `-`, at most 100 of them, no folders";
            self.about(Rule::FileName, value, "this is not a plain file name", help);
            return None;
        }
        Some(name)
    }

    /// The text of the file that the value names; `None` when it was reported, and when there
    /// are no files to read.
    fn file(&mut self, value: &Text<'_>) -> Option<Secret> {
        let name = self.file_name(value)?;
        let problem = match self.files?(name) {
            Ok(bytes) if bytes.len() > MAX_FILE => "it is larger than 64 KiB".to_owned(),
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => return Some(Secret::new(text)),
                Err(_) => "it is not a text file".to_owned(),
            },
            Err(e) if e.kind() == io::ErrorKind::NotFound => "it is not there".to_owned(),
            Err(e) => e.to_string(),
        };
        let message = format!("the file `{name}` cannot be read: {problem}");
        let help = match value.path.as_str() {
            "backup.passphrase_file" => {
                "put it beside the answers file, under this name; `ezmail answers recovery-sheet` \
                 makes one"
            }
            _ => "put it beside the answers file, under this name",
        };
        self.about(Rule::FileMissing, value, message, help);
        None
    }
}

fn address_error(text: &str, error: &crate::mail::address::AddressError) -> String {
    format!("`{text}` is not a usable address: {error}")
}

fn list(domains: &[DomainName]) -> String {
    let quoted: Vec<_> = domains.iter().map(|d| format!("`{d}`")).collect();
    match quoted.is_empty() {
        true => "a listed domain".to_owned(),
        false => quoted.join(", "),
    }
}
