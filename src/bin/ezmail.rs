//! `ezmail`: builds, checks and boots the image.

use std::process::ExitCode;

use clap::Parser;
use ezmail::host::cli::{Cli, run};

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("ezmail: {error:#}");
            ExitCode::FAILURE
        }
    }
}
