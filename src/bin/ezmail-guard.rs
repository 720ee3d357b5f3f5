//! `ezmail-guard`: bans who guesses passwords; see the library's `guard` module.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match ezmail::guard::run(ezmail::guard::Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ezmail-guard: {error:#}");
            ExitCode::FAILURE
        }
    }
}
