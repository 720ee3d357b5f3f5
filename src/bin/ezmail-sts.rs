//! `ezmail-sts`: the policies of others for smtpd; see the library's `sts` module.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match ezmail::sts::run(ezmail::sts::Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ezmail-sts: {error:#}");
            ExitCode::FAILURE
        }
    }
}
