//! `ezmail`: the build host's tool.

use std::process::ExitCode;

use ezmail::host::doctor::{Host, examine, report};

fn main() -> ExitCode {
    match Host::detect() {
        Ok(host) => {
            let (text, complete) = report(host, &examine(host));
            print!("{text}");
            ExitCode::from(u8::from(!complete))
        }
        Err(error) => {
            eprintln!("ezmail: {error:#}");
            ExitCode::FAILURE
        }
    }
}
