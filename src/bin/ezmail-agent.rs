//! `ezmail-agent`: turns a booted image into the mail server that its answers describe.

use std::process::ExitCode;

use clap::Parser;
use ezmail::agent::cli::{Cli, run};

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("ezmail-agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}
