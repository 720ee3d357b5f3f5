//! Questions to the person at the terminal.

use std::io::{self, BufRead, IsTerminal, Write};

use anyhow::{Context, Result, bail};

pub use crate::answers::command::{ask_password as password, ask_secret as secret};

/// Asks whether to do what cannot be undone; `yes` is `--yes`.
///
/// # Errors
/// When the answer is not yes, or nobody is there to ask.
pub fn sure(question: &str, yes: bool) -> Result<()> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        bail!("{question} Nobody is there to ask: say --yes; nothing was changed");
    }
    eprint!("{question} [y/N] ");
    io::stderr().flush().context("asking")?;
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .context("asking")?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => bail!("nothing was changed"),
    }
}
