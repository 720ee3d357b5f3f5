//! The program `encpipe`: upstream's options, and more care with files.

use std::{
    ffi::OsString,
    fs,
    io::{BufReader, IsTerminal, Write},
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use clap::{ArgGroup, Parser};

use super::{
    Key, Passphrase, decrypt, encrypt,
    encrypt::BATCH,
    ends::{End, Target, standard_output},
};

const EXAMPLES: &str = "\
Examples:
  (umask 077; encpipe -G > key)               a new passphrase
  encpipe -e -P key -i mail.tar -o mail.enc   encrypt a file
  encpipe -d -P key -i mail.enc -o mail.tar   and back
  tar c mail | encpipe -e -P key | ssh host 'cat > mail.enc'

Decryption writes only what it has authenticated. If the stream was cut short
or altered, or the passphrase is wrong, the exit status is 1 and the output
file is not created (or stays as it was). Standard output may have had the
first part by then: look at the status before you use it.

The key comes from the passphrase alone, without a salt, so use a generated
passphrase (-G).";

/// Encrypts and decrypts streams of any length with a passphrase.
// Not `Debug`: it may hold a passphrase.
#[derive(Parser)]
#[command(
    name = "encpipe",
    version,
    max_term_width = 80,
    after_help = EXAMPLES,
    group(ArgGroup::new("mode").required(true).args(["passgen", "encrypt", "decrypt"])),
    group(ArgGroup::new("secret").args(["pass", "passfile"])),
)]
pub struct Args {
    /// Print a new random passphrase (64 hexadecimal digits)
    #[arg(short = 'G', long, conflicts_with_all = ["secret", "input", "output"])]
    passgen: bool,

    /// Encrypt
    #[arg(short, long, requires = "secret")]
    encrypt: bool,

    /// Decrypt
    #[arg(short, long, requires = "secret")]
    decrypt: bool,

    /// The passphrase itself; other users can see it in the process list, so prefer -P
    #[arg(short, long, value_name = "STRING", allow_hyphen_values = true)]
    pass: Option<OsString>,

    /// Read the passphrase from FILE: its first 512 bytes, without the spaces and line
    /// ends around it ("-": standard input, if -i names a file)
    #[arg(short = 'P', long, value_name = "FILE")]
    passfile: Option<PathBuf>,

    /// Read from FILE ("-" or none: standard input)
    #[arg(short, long = "in", id = "input", value_name = "FILE")]
    input: Option<PathBuf>,

    /// Write to FILE, readable by its owner alone ("-" or none: standard output)
    #[arg(short, long = "out", id = "output", value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Does what the command line says.
///
/// # Errors
/// When input, output or passphrase are refused, reading or writing fails, or a stream is not
/// whole and authentic. An output file is then not created, or stays as it was.
pub fn run(args: Args) -> Result<()> {
    if args.passgen {
        return print_passphrase();
    }
    let (from, to) = (
        End::new(args.input.as_deref()),
        End::new(args.output.as_deref()),
    );
    ensure!(
        args.passfile.as_deref() != Some(Path::new("-")) || from != End::Standard,
        "the passphrase and the input cannot both come from standard input: \
         put the passphrase into a file for -P, or name the input with -i"
    );
    let input = from.open_input()?;
    if args.decrypt && input.is_terminal() {
        bail!("an encrypted stream cannot be typed: give it with -i FILE or < FILE");
    }
    let mut keep = vec![(
        "the input",
        input.metadata().context("examining the input")?,
    )];
    if let Some(End::Path(path)) = args.passfile.as_deref().map(|p| End::new(Some(p))) {
        // That it is not there is said when it is read.
        keep.extend(fs::metadata(path).ok().map(|m| ("the passphrase file", m)));
    }
    let target = Target::examine(&to, &keep)?;
    if args.encrypt && matches!(&target, Target::Standard(file) if file.is_terminal()) {
        bail!("an encrypted stream is nothing for a terminal: use -o FILE or > FILE");
    }
    let key = Key::derive(&passphrase(args.pass, args.passfile.as_deref())?)?;

    let direct = target.is_direct();
    let mut output = target.open()?;
    let result = match args.encrypt {
        true => encrypt(BufReader::with_capacity(BATCH, input), &mut output, &key),
        false => decrypt(input, &mut output, &key),
    };
    result.with_context(|| {
        let verb = if args.encrypt {
            "encrypting"
        } else {
            "decrypting"
        };
        let from = name(args.input.as_deref(), "standard input");
        let to = name(args.output.as_deref(), "standard output");
        let fate = match direct {
            true => "discard what came out",
            false => "nothing was written",
        };
        format!("{verb} {from} to {to} ({fate})")
    })?;
    output.commit()
}

fn passphrase(pass: Option<OsString>, file: Option<&Path>) -> Result<Passphrase> {
    match (pass, file.map(|f| End::new(Some(f)))) {
        (Some(pass), _) => {
            eprintln!(
                "encpipe: warning: -p shows the passphrase in the process list; -P FILE does not"
            );
            Passphrase::new(pass.into_vec())
        }
        (None, Some(End::Path(path))) => Passphrase::from_file(&path),
        (None, Some(stdin)) => Passphrase::from_reader(stdin.open_input()?)
            .context("reading the passphrase from standard input"),
        (None, None) => bail!("no passphrase: use -P FILE"),
    }
}

fn print_passphrase() -> Result<()> {
    let passphrase = Passphrase::generate()?;
    // Not through io::stdout(), whose buffer would keep a copy.
    let mut stdout = standard_output()?;
    stdout
        .write_all(passphrase.as_bytes())
        .and_then(|()| stdout.write_all(b"\n"))
        .context("writing the passphrase to standard output")
}

fn name(path: Option<&Path>, standard: &str) -> String {
    match End::new(path) {
        End::Standard => standard.to_owned(),
        End::Path(path) => path.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }
}
