//! A server whose keys are rotated, beside the commands.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fs,
    process::Command,
};

use anyhow::{Result, bail};
use ezmail::{
    ctl::{
        dkim::{Around, Published, Shown, proceed, summary},
        server::{Server as Live, now},
    },
    util::run::Task,
};

use super::masked;
use crate::server::Server;

pub const SIGNING: &str = "etc/rspamd/override.d/dkim_signing.conf";

/// The DNS as a test wants it: name, and what each server says.
#[derive(Default)]
pub struct Fake {
    pub shown: RefCell<BTreeMap<String, Vec<Shown>>>,
    pub lost: Cell<bool>,
}

impl Published for Fake {
    fn txt(&self, name: &str) -> Result<Vec<Shown>> {
        if self.lost.get() {
            bail!("asking the resolver 127.0.0.1:53 for org SOA: no answer in time");
        }
        let nothing = || vec![shown("ns1", Ok(&[])), shown("ns2", Ok(&[]))];
        let known = self.shown.borrow().get(name).cloned();
        Ok(known.unwrap_or_else(nothing))
    }
}

fn shown(server: &str, texts: Result<&[&str], &str>) -> Shown {
    Shown {
        server: format!("{server}.example.org"),
        texts: match texts {
            Ok(texts) => Ok(texts.iter().map(|t| (*t).to_owned()).collect()),
            Err(why) => Err(why.to_owned()),
        },
    }
}

/// A server whose keys are rotated, with its DNS and its clock.
pub struct Rotation {
    pub server: Server,
    pub dns: Fake,
    pub now: Cell<i64>,
    /// The power fails when a change is to be applied.
    pub cut: Cell<bool>,
}

impl Rotation {
    pub fn new() -> Self {
        Self {
            server: Server::small(),
            dns: Fake::default(),
            now: Cell::new(now().unwrap()),
            cut: Cell::new(false),
        }
    }

    /// `mailctl dkim rotate` with more words, and what it says. Its keys are of now by the machine's
    /// clock; ours must not be behind, or a look is taken for one at earlier keys.
    pub fn rotate(&self, more: &[&str]) -> String {
        let said = self.server.good(&[&["dkim", "rotate"], more].concat());
        self.now.set(self.now.get().max(now().unwrap()));
        said
    }

    pub fn live(&self) -> Live {
        Live::at(&self.server.world.path("")).unwrap()
    }

    /// What the timer does.
    pub fn look(&self) -> Result<Vec<String>> {
        let apply = || match self.cut.get() {
            true => bail!("no power"),
            false => self.apply(),
        };
        let around = Around {
            published: &self.dns,
            now: self.now.get(),
            apply: &apply,
        };
        proceed(&self.live(), &around)
    }

    /// As [`Self::look`], and what is then waited for.
    pub fn said(&self) -> String {
        let done = self.look().unwrap().join("\n");
        masked(&format!("done: {done}\nwaiting: {}", self.summary()))
    }

    pub fn summary(&self) -> String {
        let db = self.live().database().unwrap();
        masked(&summary(&db, self.now.get()).unwrap().join("\n"))
    }

    /// What a boot does, too.
    pub fn apply(&self) -> Result<()> {
        let mut agent = Command::new(env!("CARGO_BIN_EXE_ezmail-agent"));
        agent.args(["apply", "--kept", "--root"]);
        agent.arg(self.server.world.path(""));
        Task::new("applying", agent).run()
    }

    pub fn records(&self) -> Vec<serde_json::Value> {
        let text = self.server.good(&["dkim", "show", "--json"]);
        serde_json::from_str(&text).unwrap()
    }

    /// Name and value of the record of the key whose selector begins so, and is not `ezmail-rsa`.
    pub fn record(&self, start: &str) -> (String, String) {
        let all = self.records();
        let is = |r: &&serde_json::Value| {
            let selector = r["selector"].as_str().unwrap();
            selector.starts_with(start) && selector.len() > start.len()
        };
        let record = all.iter().find(is).unwrap();
        let text = |key: &str| record[key].as_str().unwrap().to_owned();
        (text("name"), text("value"))
    }

    pub fn publish(&self, name: &str, servers: [Result<&[&str], &str>; 2]) {
        let [one, two] = servers;
        let all = vec![shown("ns1", one), shown("ns2", two)];
        self.dns.shown.borrow_mut().insert(name.to_owned(), all);
    }

    pub fn signing(&self) -> String {
        let text = self.server.world.read(SIGNING);
        let lines = text.lines().filter(|l| l.contains("selector ="));
        masked(
            &lines
                .map(|l| l.trim().to_owned() + "\n")
                .collect::<String>(),
        )
    }

    pub fn files(&self) -> Vec<String> {
        let folder = self.server.world.path("var/lib/ezmail/dkim/example.org");
        let names = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = names
            .map(|e| masked(e.unwrap().file_name().to_str().unwrap()))
            .collect();
        names.sort();
        names
    }

    /// The stages, a line each.
    pub fn stages(&self) -> String {
        let text = self.server.good(&["dkim", "list"]);
        masked(text.split("\n\n").next().unwrap())
    }
}
