//! `encpipe`: encrypts and decrypts streams with a passphrase.

use std::process::ExitCode;

use clap::Parser;
use ezmail::encpipe::cli;

fn main() -> ExitCode {
    let args = match cli::Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Upstream knows the statuses 0 and 1 alone; a closed pipe needs no second message.
            let status = u8::from(error.use_stderr());
            return match error.print() {
                Ok(()) => ExitCode::from(status),
                Err(_) => ExitCode::FAILURE,
            };
        }
    };
    match cli::run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("encpipe: {error:#}");
            ExitCode::FAILURE
        }
    }
}
