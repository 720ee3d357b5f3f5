//! The checks, each a function of what was read.

mod disk;
mod firmware;
mod menu;
mod menus;
mod system;

pub use disk::{cut_short, needs, size};
pub use system::has_answers;

use super::{
    look::Look,
    report::{Check, Verdict},
};

/// A check, and whether it applies.
type One = (&'static str, fn(&Look) -> Verdict, fn(&Look) -> bool);

/// All of them, in their order.
const ALL: &[One] = &[
    ("volume", disk::volume, always),
    ("partitions", disk::partitions, always),
    ("boot-catalog", disk::catalog, always),
    ("bios", firmware::bios, |look| look.bios),
    ("uefi", firmware::uefi, |look| look.uefi),
    ("efi-files", firmware::copies, |look| {
        look.uefi && look.fat.is_ok()
    }),
    ("medium", menu::medium, always),
    ("entries", menu::entries, always),
    ("placeholders", menu::placeholders, always),
    ("kernel", system::kernel, always),
    ("initramfs", system::initramfs, always),
    ("root", system::root, always),
    ("root-checksum", system::root_checksum, always),
    ("description", system::description, always),
    ("answers", system::answers, always),
];

fn always(_: &Look) -> bool {
    true
}

/// Makes all checks that apply.
pub fn all(look: &Look) -> Vec<Check> {
    let apply = ALL.iter().filter(|(_, _, applies)| applies(look));
    apply
        .map(|(name, check, _)| Check::new(name, check(look)))
        .collect()
}
