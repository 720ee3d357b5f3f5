//! QEMU as a child process that cannot outlive us, and that no tool is left guessing about.

use std::{
    io,
    path::PathBuf,
    process::{Child, Command, ExitStatus},
    sync::{Mutex, OnceLock, mpsc},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::util::run::find_program;

/// The emulator's program.
pub const QEMU: &str = "qemu-system-x86_64";

/// Finds the emulator.
///
/// # Errors
/// When it is not installed; the message has the command that installs it here.
pub fn find_qemu() -> Result<PathBuf> {
    find_program(QEMU).with_context(|| {
        format!(
            "{QEMU} was not found; install it with: {}",
            install_hint("qemu-system-x86", "qemu-base")
        )
    })
}

/// The command that installs a package on this host, by its Debian and its Arch name.
pub fn install_hint(debian: &str, arch: &str) -> String {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    install_hint_for(&release, debian, arch)
}

fn install_hint_for(os_release: &str, debian: &str, arch: &str) -> String {
    let is_arch = os_release
        .lines()
        .any(|l| (l.starts_with("ID=") || l.starts_with("ID_LIKE=")) && l.contains("arch"));
    if is_arch {
        format!("pacman -S {arch}")
    } else {
        format!("apt-get install {debian}")
    }
}

/// A command that runs `program` so that the kernel kills it when this process ends, however
/// it ends (setpriv(1), prctl(2) PR_SET_PDEATHSIG); with `netns`, in that network namespace.
///
/// Every link of the chain replaces itself by the next, so the child's id is `program`'s.
pub fn bound_to_us(program: &std::path::Path, netns: Option<&std::path::Path>) -> Command {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]);
    if let Some(netns) = netns {
        let mut option = std::ffi::OsString::from("--net=");
        option.push(netns);
        command.arg("nsenter").arg(option).arg("--");
    }
    command.arg(program);
    // a Ctrl-C on the terminal is ours to answer, not QEMU's
    command.process_group(0);
    command
}

type Order = (Command, mpsc::Sender<io::Result<Child>>);

/// Starts `command` from a thread that lives as long as this process.
///
/// The death signal of [`bound_to_us`] follows the *thread* that started the child (prctl(2)):
/// started from a test's own thread, a machine would die with that test.
///
/// # Errors
/// What starting it returns.
pub fn spawn(command: Command) -> io::Result<Child> {
    static STARTER: OnceLock<Mutex<mpsc::Sender<Order>>> = OnceLock::new();
    let starter = STARTER.get_or_init(|| {
        let (orders, inbox) = mpsc::channel::<Order>();
        thread::spawn(move || {
            for (mut command, reply) in inbox {
                // the one who asked waits for the reply
                reply.send(command.spawn()).ok();
            }
        });
        Mutex::new(orders)
    });
    let gone = || io::Error::other("the thread that starts processes has ended");
    let (reply, answer) = mpsc::channel();
    starter
        .lock()
        .map_err(|_| gone())?
        .send((command, reply))
        .map_err(|_| gone())?;
    answer.recv().map_err(|_| gone())?
}

/// Waits until `child` has ended, at most `limit`.
///
/// # Errors
/// When waiting fails.
pub fn wait_at_most(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait().context("waiting for a child process")? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Kills `child` and waits for it; that it has ended already is no error.
///
/// # Errors
/// When it does not end within ten seconds of SIGKILL.
pub fn kill(child: &mut Child) -> Result<ExitStatus> {
    child.kill().context("killing a child process")?;
    match wait_at_most(child, Duration::from_secs(10))? {
        Some(status) => Ok(status),
        None => bail!("process {} did not end after SIGKILL", child.id()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_hint_fits_the_host() {
        assert_eq!(
            install_hint_for("ID=arch\n", "ovmf", "edk2-ovmf"),
            "pacman -S edk2-ovmf"
        );
        assert_eq!(
            install_hint_for("ID=ubuntu\nID_LIKE=debian\n", "ovmf", "edk2-ovmf"),
            "apt-get install ovmf"
        );
    }

    #[test]
    fn a_child_outlives_the_thread_that_asked_for_it() {
        let sleep = find_program("sleep").unwrap();
        let mut child = thread::spawn(move || {
            let mut command = bound_to_us(&sleep, None);
            command.arg("1000");
            spawn(command).unwrap()
        })
        .join()
        .unwrap();
        let ended = wait_at_most(&mut child, Duration::from_millis(300)).unwrap();
        assert_eq!(ended, None);
        let status = kill(&mut child).unwrap();
        assert!(!status.success());
        assert!(!Path::new(&format!("/proc/{}", child.id())).exists());
    }

    #[test]
    fn a_child_dies_with_the_process_that_started_it() {
        // The shell stands for us: killed with SIGKILL it cannot clean up anything.
        let mut shell = Command::new("sh")
            .args([
                "-c",
                "setpriv --pdeathsig KILL -- sleep 1000 & echo $!; exec cat",
            ])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let out = shell.stdout.take().unwrap();
        io::BufRead::read_line(&mut io::BufReader::new(out), &mut line).unwrap();
        let pid: u32 = line.trim().parse().unwrap();
        let comm = format!("/proc/{pid}/comm");
        let named =
            |name: &str| std::fs::read_to_string(&comm).is_ok_and(|text| text.trim() == name);
        let wait_until = |done: &dyn Fn() -> bool| {
            (0..500).any(|_| {
                thread::sleep(Duration::from_millis(10));
                done()
            })
        };
        assert!(wait_until(&|| named("sleep")), "setpriv became sleep");
        kill(&mut shell).unwrap();
        let state = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // gone, or a zombie that nobody has collected yet
        assert!(wait_until(&|| !named("sleep") || state().contains(") Z ")));
    }
}
