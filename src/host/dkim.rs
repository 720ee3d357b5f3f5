//! `ezmail dkim`: keys and records before the server exists.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, anyhow, bail};
use clap::Subcommand;
use serde::Serialize;

use crate::{
    mail::{
        address::DomainName,
        dkim::{self, Algorithm},
        dkim_record::Record,
    },
    util::{files, secret::Secret},
};

/// The longest name of a file that an answers file can have.
const MAX_NAME: usize = 100;

/// What `ezmail dkim` can do.
#[derive(Debug, Subcommand)]
pub enum Dkim {
    /// Make the keys of domains, and print their DNS records
    ///
    /// Each domain gets an RSA and an Ed25519 key, in files that are never
    /// overwritten. The records can then be published before the server exists;
    /// what has to stand in its answers is printed as well.
    #[command(after_help = "\
Without this the server makes its keys itself, and shows the records.

Examples:
  ezmail dkim generate example.org
  ezmail dkim generate example.org example.net --out keys --selector s2027")]
    Generate {
        /// The domains
        #[arg(required = true, value_name = "DOMAIN")]
        domains: Vec<DomainName>,
        /// The folder for the key files, which the answers have to lie in, too
        #[arg(long, value_name = "DIR", default_value = ".")]
        out: PathBuf,
        /// What the selectors begin with; -rsa and -ed25519 follow
        #[arg(long, default_value = "ezmail")]
        selector: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// A key that was made.
#[derive(Debug, Serialize)]
struct Made {
    #[serde(flatten)]
    record: Record,
    /// The name of its file in the folder.
    key_file: String,
    #[serde(skip)]
    pem: Secret,
}

/// Runs `ezmail dkim`.
///
/// # Errors
/// When a domain or selector cannot be one, or a file is there already or cannot be written: then
/// none of them is there.
pub fn run(command: Dkim) -> Result<ExitCode> {
    let Dkim::Generate {
        mut domains,
        out,
        selector,
        json,
    } = command;
    domains.sort();
    domains.dedup();
    let keys = keys(&domains, &selector, &out)?;
    write(&keys, &out)?;
    let text = match json {
        true => serde_json::to_string_pretty(&keys).context("writing JSON")? + "\n",
        false => text(&keys, &out),
    };
    io::stdout()
        .write_all(text.as_bytes())
        .context("writing to standard output")?;
    Ok(ExitCode::SUCCESS)
}

fn keys(domains: &[DomainName], prefix: &str, out: &Path) -> Result<Vec<Made>> {
    let mut keys = Vec::new();
    for domain in domains {
        for algorithm in Algorithm::ALL {
            let selector = dkim::selector(&format!("{prefix}-{algorithm}"))
                .map_err(|e| anyhow!("{e}: use letters, digits and inner '-' for --selector"))?;
            let key_file = format!("{domain}.{selector}.pem");
            if key_file.len() > MAX_NAME {
                bail!(
                    "{key_file} is too long a name for an answers file: at most {MAX_NAME} bytes; \
                     choose a shorter --selector"
                );
            }
            let path = out.join(&key_file);
            if path.exists() {
                bail!(
                    "{} is there already, and no key is overwritten: choose another --out or \
                     --selector; nothing was written",
                    path.display()
                );
            }
            let pem = dkim::generate(algorithm)?;
            let info = dkim::parse_pem(pem.expose()).context("reading the key that was made")?;
            keys.push(Made {
                record: Record::new(domain.as_str(), &selector, &info),
                key_file,
                pem,
            });
        }
    }
    Ok(keys)
}

fn write(keys: &[Made], out: &Path) -> Result<()> {
    files::create_dir_all(out)?;
    for (count, key) in keys.iter().enumerate() {
        let path = out.join(&key.key_file);
        if let Err(error) = files::create_new(&path, key.pem.expose(), 0o600) {
            for written in &keys[..count] {
                let path = out.join(&written.key_file);
                std::fs::remove_file(&path)
                    .with_context(|| format!("removing {} after {error:#}", path.display()))?;
            }
            return Err(error.context("no key was kept"));
        }
    }
    Ok(())
}

fn text(keys: &[Made], out: &Path) -> String {
    let mut text = String::new();
    for key in keys {
        text += &format!("{}\n", key.record);
    }
    text += &format!(
        "# For the answers file, which has to lie in the folder of the keys ({}):\n",
        out.display()
    );
    let mut domain = "";
    for key in keys {
        if key.record.domain != domain {
            domain = &key.record.domain;
            text += &format!("\n[[domain]]\nname = \"{domain}\"\n");
        }
        text += &format!(
            "[[domain.dkim]]\nselector = \"{}\"\nkey_file = \"{}\"\n",
            key.record.selector, key.key_file
        );
    }
    text
}
