//! Runs an image in QEMU, for a person (`ezmail boot`) and for the end-to-end tests.
//!
//! | module | its one job |
//! |---|---|
//! | [`args`] | the command line of `ezmail boot` |
//! | [`boot`] | what `ezmail boot` does with it: watch, report, exit status |
//! | [`parse`] | `--forward`, `--disk`, `--credential` from text |
//! | [`config`] | what machine is wanted |
//! | [`image`] | whether a file is an ISO or a disk |
//! | [`check`] | what is wrong with it, before anything starts |
//! | [`accel`] | KVM where it really works, else TCG |
//! | [`firmware`] | where the host keeps UEFI firmware |
//! | [`volume`] | the answers volume, and disks |
//! | [`cmdline`] | QEMU's command line for all that |
//! | [`process`] | QEMU as a child that cannot outlive us |
//! | [`qmp`] | QEMU's control protocol |
//! | [`console`] | reads a serial log while it grows |
//! | `launch` | from a configuration to a QEMU that answers |
//! | `watch` | signs of failure on the console |
//! | [`ending`] | how a run ends |
//! | [`machine`] | the running machine: wait, type, screenshot, shut down |
//! | [`probe`] | runs a script inside an unmodified image |
//! | [`terminal`] | the serial console on a person's terminal |

pub mod accel;
pub mod args;
pub mod boot;
pub mod check;
pub mod cmdline;
pub mod config;
pub mod console;
pub mod ending;
pub mod firmware;
pub mod image;
mod launch;
pub mod machine;
pub mod parse;
pub mod probe;
pub mod process;
pub mod qmp;
pub mod terminal;
pub mod volume;
mod watch;

pub use args::BootArgs;
pub use boot::boot;
pub use config::{
    Accel, BootFrom, Config, Credential, Disk, DiskFormat, Firmware, Forward, IsoAs, MachineType,
    Network,
};
pub use console::Match;
pub use ending::{Ending, WaitError};
pub use image::Image;
pub use machine::Machine;
pub use probe::{Probe, ProbeResult};
