//! `ezmail`: the build host's tool.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use ezmail::answers::command::{self, AnswersCommand};

/// Build and try a personal mail server
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The answers file: an example, its check, its reference
    #[command(subcommand)]
    Answers(AnswersCommand),
    /// Hash a password for the answers file (argon2id)
    HashPassword,
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Answers(command) => command::run(command),
        Command::HashPassword => command::hash_password(),
    };
    result.unwrap_or_else(|e| {
        eprintln!("error: {e:#}");
        ExitCode::FAILURE
    })
}
