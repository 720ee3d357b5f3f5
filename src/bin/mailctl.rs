//! `mailctl`: what the administrator types on the appliance.

use std::process::ExitCode;

use clap::Parser;
use ezmail::ctl::{
    cli::{Cli, run},
    output,
};

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{}", output::complaint("mailctl", &error));
            ExitCode::FAILURE
        }
    }
}
