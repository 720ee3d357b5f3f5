//! `ezmail`: the build host's tool.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use ezmail::host::qemu;

/// Builds a mail server as a bootable image from one answers file, and runs it
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Boot(Box<qemu::BootArgs>),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // nothing can be said when even this cannot be printed
            error.print().ok();
            // clap's own status for a wrong command line is 2, which `boot` promises for a timeout
            return ExitCode::from(u8::from(error.use_stderr()));
        }
    };
    let result = match cli.command {
        Command::Boot(args) => qemu::boot(*args),
    };
    result.unwrap_or_else(|error| {
        eprintln!("ezmail: {error:#}");
        ExitCode::FAILURE
    })
}
