//! `ezmail-filter`: smtpd's filter; see the library's `filter` module.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match ezmail::filter::run(ezmail::filter::Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ezmail-filter: {error:#}");
            ExitCode::FAILURE
        }
    }
}
