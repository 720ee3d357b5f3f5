//! What `mailctl status` tells, gathered. What cannot be found out is left out, and said why.

use std::path::Path;

use anyhow::{Context, Result};

use super::{Backups, Counts, Report, Volume, today};
use crate::{
    agent::{health, release::Release, state::kept::Kept, status as agent_status},
    backup::{
        report::Report as Backed,
        switch::{self, Layout},
    },
    ctl::{
        ban,
        check::{self, area, finding::Area},
        daily::snapshot::Snapshot,
        dkim,
        server::{Server, now},
    },
};

/// Gathers it.
///
/// # Errors
/// When the image or the agent's status cannot be read, or systemd does not answer.
pub fn report(server: &Server) -> Result<Report> {
    let live = server.is_live();
    let path = server.target.path(Path::new(agent_status::FILE));
    let agent = path
        .exists()
        .then(|| agent_status::Status::load(&path))
        .transpose()?;
    let image = match live {
        true => Release::read()?,
        false => match server.target.read(Path::new("/etc/os-release"))? {
            Some(text) => Release::parse(&String::from_utf8_lossy(&text)),
            None => Release::parse(""),
        },
    };
    let services = match live {
        true => health::services()?,
        false => Vec::new(),
    };
    let mut report = Report {
        version: env!("CARGO_PKG_VERSION"),
        image,
        services,
        agent,
        hostname: None,
        up: None,
        volume: None,
        counts: None,
        certificate: Vec::new(),
        backup: None,
        before: None,
        queue: None,
        bans: None,
        today: None,
        dkim: Vec::new(),
        last_check: None,
        unknown: Vec::new(),
    };
    report.fill(server);
    Ok(report)
}

impl Report {
    /// What may be missing without the rest being worth less.
    fn fill(&mut self, server: &Server) {
        let mut unknown = Vec::new();
        let kept = Kept::read(&server.target, &server.paths);
        match kept.and_then(|kept| kept.current()) {
            Ok(Some(answers)) => {
                self.hostname = Some(answers.hostname.to_string());
                self.counts = noted(counts(server), &mut unknown);
                self.dkim = noted(keys(server), &mut unknown).unwrap_or_default();
                let backed = || Backed::read(&server.target.path(&server.paths.state));
                self.backup = answers.backup.as_ref().map(|backup| Backups {
                    target: backup.target.to_string(),
                    report: noted(backed(), &mut unknown),
                });
                self.certificate = check::findings(server, &[Area::Certificate], &[]);
            }
            // the agent's own line says so
            Ok(None) => {}
            Err(error) => unknown.push(format!("{error:#}")),
        }
        if server.target.path(&server.paths.state).exists() {
            self.volume = noted(volume(server), &mut unknown);
            let layout = Layout::of(&server.target, &server.paths);
            self.before = noted(switch::before(&layout), &mut unknown).flatten();
        }
        let snapshot = noted(Snapshot::read(server), &mut unknown).flatten();
        self.last_check = snapshot.map(|snapshot| snapshot.troubles);
        if server.is_live() {
            self.up = noted(area::uptime(), &mut unknown);
            self.queue = noted(area::queue::ask(), &mut unknown);
            self.bans = noted(ban::overview(server), &mut unknown);
            self.today = noted(today::ask(), &mut unknown);
        }
        self.unknown = unknown;
    }
}

/// The value, or a note why there is none.
fn noted<T>(result: Result<T>, unknown: &mut Vec<String>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            unknown.push(format!("{error:#}"));
            None
        }
    }
}

fn volume(server: &Server) -> Result<Volume> {
    let space = area::Space::of(&server.target.path(&server.paths.state))?;
    Ok(Volume {
        total: space.total,
        free: space.free,
    })
}

fn keys(server: &Server) -> Result<Vec<String>> {
    dkim::summary(&server.database()?, now()?)
}

fn counts(server: &Server) -> Result<Counts> {
    let db = server.database()?;
    let count = |table: &str| -> Result<i64> {
        let query = format!("SELECT count(*) FROM {table}");
        let count = db.query_row(&query, [], |row| row.get(0));
        count.with_context(|| format!("counting what is in {table}"))
    };
    Ok(Counts {
        domains: count("domain")?,
        users: count("user")?,
    })
}
