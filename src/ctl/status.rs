//! `mailctl status`: the services and what the agent did, in one look.

use std::fmt;

use serde::Serialize;

use crate::agent::{health::Service, release::Release, status::Status as Agent};

/// All that `mailctl status` tells.
#[derive(Debug, Serialize)]
pub struct Report {
    /// This program's version.
    pub version: &'static str,
    /// The image it runs in.
    pub image: Release,
    /// The services.
    pub services: Vec<Service>,
    /// What the agent's last apply did; none before the first.
    pub agent: Option<Agent>,
}

impl Report {
    /// Whether every service runs.
    pub fn is_well(&self) -> bool {
        self.services.iter().all(|s| s.state.active == "active")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.image)?;
        for service in &self.services {
            let state = format!("{} ({})", service.state.active, service.state.sub);
            writeln!(f, "  {:<18} {state:<20} {}", service.unit, service.purpose)?;
        }
        match &self.agent {
            Some(agent) => write!(f, "agent: {agent}"),
            None => writeln!(f, "agent: has not run since this boot"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::{health::tests::services_like, status::Outcome};

    fn report(services: Vec<Service>, state: Option<&str>) -> Report {
        let mut agent = Agent::new(Outcome::Ready, Some("the volume EZMAIL".into()), None);
        agent.state = state.map(str::to_owned);
        Report {
            version: "0",
            image: Release::parse("IMAGE_ID=ezmail-arch\nIMAGE_VERSION=0.1.0\n"),
            services,
            agent: Some(agent),
        }
    }

    #[test]
    fn the_report_names_every_service() {
        let services = services_like([
            ("active", "exited"),
            ("active", "running"),
            ("failed", "failed"),
            ("active", "running"),
            ("active", "running"),
            ("inactive", "dead"),
        ]);
        let report = report(services, None);
        assert!(!report.is_well());
        insta::assert_snapshot!(report.to_string());
    }

    #[test]
    fn all_running_is_well() {
        let report = report(services_like([("active", "running"); 6]), Some("/dev/vda"));
        assert!(report.is_well());
        let text = report.to_string();
        assert!(text.contains("state volume: /dev/vda\n"), "{text}");
    }
}
