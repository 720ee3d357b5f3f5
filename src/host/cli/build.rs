//! The command lines of the stages, on both sides: the front, which a person started, and the worker.

use std::{
    path::{Path, PathBuf, absolute},
    process::ExitCode,
    time::Instant,
};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{
    host::{
        base::lock,
        build::{self, Goal, Options, Outcome},
        config::BaseChoice,
        hint,
        image::Engine,
        preflight::{self, Asked},
        print,
        progress::{Progress, Style, event::Event},
        project::{self, Project},
        repo, repo_folder, sbom, sign, worker,
    },
    util::{run, size::size},
};

/// What every building command takes.
#[derive(Debug, Args)]
pub struct BuildArgs {
    /// Where distribution packages come from [default: auto, or ezmail.toml's]
    #[arg(long, value_enum)]
    base: Option<BaseChoice>,
    /// The checkout [default: the one around the working folder]
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
    /// Where results go [default: out/ in the checkout]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Look for sources in this folder before fetching them
    #[arg(long, value_name = "DIR")]
    source_dir: Option<PathBuf>,
    /// Take our own programs from this folder instead of building them
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
    /// Stop if anything differs from ezmail.lock: packages of the base, sources of ours
    #[arg(long)]
    locked: bool,
    /// Tell what would be done, and do nothing
    #[arg(long, conflicts_with = "locked")]
    dry_run: bool,
    /// Print nothing but errors
    #[arg(long, short)]
    quiet: bool,
    /// Print what the tools say as well, which always is in the logs
    #[arg(long, short, conflicts_with_all = ["quiet", "json"])]
    verbose: bool,
    /// Print an event a line as JSON: docs/building.md
    #[arg(long)]
    json: bool,
}

/// What the image command takes beside that.
#[derive(Debug, Args)]
pub struct ImageArgs {
    #[command(flatten)]
    pub build: BuildArgs,
    /// Who puts the ISO together
    #[arg(long, value_enum, default_value_t)]
    engine: Engine,
    /// Write a bill of materials beside the ISO, in one format or both
    #[arg(long, value_enum, value_name = "FORMAT,...", value_delimiter = ',')]
    sbom: Vec<sbom::Format>,
    #[command(flatten)]
    sign: SignArgs,
}

/// With what to sign.
#[derive(Debug, Default, Args)]
pub struct SignArgs {
    /// Sign the ISO's checksum with this OpenSSH or minisign key
    #[arg(long, value_name = "KEY")]
    sign: Option<PathBuf>,
    /// Sign the database of our packages with this key of gpg
    #[arg(long, value_name = "ID")]
    sign_repo: Option<String>,
}

/// What the profile command takes beside that.
#[derive(Debug, Args)]
pub struct ProfileArgs {
    #[command(flatten)]
    pub build: BuildArgs,
    /// Write it to this folder [default: profile/ among the results]
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
}

/// One thing to build, whatever the command that asks for it.
#[derive(Debug)]
pub struct Wanted<'a> {
    args: &'a BuildArgs,
    goal: Goal,
    update: bool,
    engine: Engine,
    profile: Option<&'a Path>,
    sbom: &'a [sbom::Format],
    sign: Option<&'a SignArgs>,
}

impl<'a> Wanted<'a> {
    /// Everything up to `goal`.
    pub fn stage(args: &'a BuildArgs, goal: Goal) -> Self {
        Self {
            args,
            goal,
            update: false,
            engine: Engine::Native,
            profile: None,
            sbom: &[],
            sign: None,
        }
    }

    /// The base as its mirror has it now, and `ezmail.lock` with it.
    pub fn update(args: &'a BuildArgs) -> Self {
        Self {
            update: true,
            ..Self::stage(args, Goal::Base)
        }
    }

    /// The profile.
    pub fn profile(args: &'a ProfileArgs) -> Self {
        Self {
            profile: args.output.as_deref(),
            ..Self::stage(&args.build, Goal::Profile)
        }
    }

    /// The ISO.
    pub fn image(args: &'a ImageArgs) -> Self {
        Self {
            engine: args.engine,
            sbom: &args.sbom,
            sign: Some(&args.sign),
            ..Self::stage(&args.build, Goal::Image)
        }
    }

    /// Builds it.
    ///
    /// # Errors
    /// When this process cannot tell its front how it went; what else stops the build is said here.
    pub fn run(&self) -> Result<ExitCode> {
        if worker::is_here() {
            return self.work();
        }
        Ok(match self.front() {
            Ok(status) => status,
            Err(error) => failed(&self.progress(), &error),
        })
    }

    fn front(&self) -> Result<ExitCode> {
        if self.update && self.args.locked {
            bail!("'ezmail update' changes ezmail.lock, and --locked forbids that");
        }
        preflight::check(&Asked {
            goal: self.goal,
            engine: self.engine,
            source_dir: self.args.source_dir.as_deref(),
            sign: self.sign.and_then(|s| s.sign.as_deref()),
            sign_repo: self.sign.and_then(|s| s.sign_repo.as_deref()),
            is_root: rustix::process::geteuid().is_root(),
        })?;
        let start = Instant::now();
        let outcome: Outcome = match worker::run()? {
            worker::Outcome::Done(outcome) => outcome,
            worker::Outcome::Failed(status) => return Ok(status),
            worker::Outcome::Interrupted(status) => {
                let message = "interrupted; what was finished is kept, and the same command goes on \
                               from there";
                self.progress().event(&Event::Error {
                    message,
                    hint: None,
                });
                print::aside(format_args!("ezmail: {message}"));
                return Ok(status);
            }
        };
        self.sign(&outcome)?;
        let seconds = start.elapsed().as_secs_f64();
        if self.args.json {
            let result = serde_json::to_value(&outcome).context("writing the result")?;
            print::result(Event::Finished { seconds, result }.line())?;
        } else if !self.args.quiet && !self.args.dry_run {
            print::result(self.summary(&outcome, seconds))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Keys may be in an agent, which the user's own session has and the worker has not.
    fn sign(&self, outcome: &Outcome) -> Result<()> {
        let Some(wanted) = self.sign.filter(|_| !self.args.dry_run) else {
            return Ok(());
        };
        if wanted.sign.is_none() && wanted.sign_repo.is_none() {
            return Ok(());
        }
        let Some(out) = outcome.repo.as_deref().and_then(Path::parent) else {
            return Ok(());
        };
        let progress = self.progress();
        // the worker has let go of it: another build may be writing there by now
        let _alone = project::alone_in(out, &progress)?;
        if let (Some(key), Some(image)) = (&wanted.sign, &outcome.image) {
            let path = sign::sign(&image.path, &image.sha256, key)?;
            progress.note("sign", path.display().to_string());
        }
        if let (Some(id), Some(folder)) = (&wanted.sign_repo, &outcome.repo) {
            let database = folder.join(format!("{}.db", repo::NAME));
            repo_folder::check_made(&database, &outcome.packages)?;
            let path = sign::sign_repo(&database, id)?;
            progress.note("sign", path.display().to_string());
        }
        Ok(())
    }

    fn progress(&self) -> Progress {
        match (self.args.json, self.args.quiet, self.args.verbose) {
            (true, ..) => Progress::new(Style::Json),
            (_, true, _) => Progress::quiet(),
            // what tools print would get into the part that changes
            (_, _, true) => Progress::new(Style::Plain),
            _ => Progress::detect(),
        }
    }

    /// The worker's part: it tells of errors itself, since it knows the logs.
    fn work(&self) -> Result<ExitCode> {
        worker::begun()?;
        run::set_verbose(self.args.verbose);
        let progress = self.progress();
        match self.build(&progress) {
            Ok(outcome) => worker::answer(&outcome).map(|()| ExitCode::SUCCESS),
            Err(error) => Ok(failed(&progress, &error)),
        }
    }

    fn build(&self, progress: &Progress) -> Result<Outcome> {
        let args = self.args;
        let lock = match (args.dry_run, args.locked) {
            (true, _) => lock::Mode::Look,
            (_, true) => lock::Mode::Locked,
            _ => lock::Mode::Renew,
        };
        let mut project = Project::open(
            args.project.as_deref(),
            args.out.as_deref(),
            progress.clone(),
            lock,
        )?;
        project.update = self.update;
        if let Some(base) = args.base {
            project.config.base = base;
        }
        let profile = self.profile.map(absolute).transpose();
        let profile = profile.context("finding the profile's folder")?;
        let options = Options {
            source_dir: args.source_dir.as_deref(),
            programs: args.programs.as_deref(),
            profile: profile.as_deref(),
            engine: self.engine,
        };
        let outcome = build::run(&project, &options, self.goal)?;
        if let Some(image) = outcome.image.as_ref().filter(|_| !args.dry_run) {
            for format in self.sbom {
                let path = sbom::write_beside(&image.path, *format)?;
                progress.note("sbom", path.display().to_string());
            }
        }
        Ok(outcome)
    }

    /// The one line that says what was made.
    fn summary(&self, outcome: &Outcome, seconds: f64) -> String {
        let what = match (&outcome.image, &outcome.profile, &outcome.repo) {
            (Some(image), ..) => format!(
                "{} ({}, {} packages, sha256 {})",
                image.path.display(),
                size(image.size),
                image.packages,
                image.sha256
            ),
            (_, Some(path), _) | (_, _, Some(path)) => path.display().to_string(),
            _ if self.goal == Goal::Packages => format!("{} packages", outcome.packages.len()),
            _ => format!("{} base", outcome.base.name()),
        };
        format!("ezmail: ready in {seconds:.1} s: {what}")
    }
}

/// Tells why a build failed, and what to do where that is known.
fn failed(progress: &Progress, error: &anyhow::Error) -> ExitCode {
    let message = format!("{error:#}");
    let hint = hint::of(error);
    progress.event(&Event::Error {
        message: &message,
        hint: hint.as_deref(),
    });
    progress.clear();
    print::aside(format_args!("ezmail: {message}"));
    if let Some(hint) = hint {
        print::aside(format_args!("  hint: {hint}"));
    }
    ExitCode::FAILURE
}
