//! `mailctl dns`: the records of this server.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Subcommand;

use super::{output, server::Server};
use crate::util::files;

/// What to do with the records.
#[derive(Debug, Subcommand)]
pub enum Dns {
    /// Print the records to publish, in the format of a zone file
    #[command(after_help = "\
Example:
  mailctl dns show   the records to publish")]
    Show,
}

/// Runs `mailctl dns`.
///
/// # Errors
/// When there are no records yet.
pub fn run(command: Dns, server: &Server) -> Result<ExitCode> {
    match command {
        Dns::Show => {
            let path = server.target.path(&server.paths.records);
            let text = files::read_to_string(&path).context(
                "there are no records yet: they are made when the agent applies the answers; \
                 'mailctl status' tells whether it has",
            )?;
            output::text(&text)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
