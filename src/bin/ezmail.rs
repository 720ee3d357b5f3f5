//! `ezmail`: builds, checks and boots the image.

use std::process::ExitCode;

use clap::Parser;
use ezmail::host::{
    cli::{Cli, run},
    print,
};

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
    run(cli).unwrap_or_else(|error| {
        print::aside(format_args!("ezmail: {error:#}"));
        ExitCode::FAILURE
    })
}
