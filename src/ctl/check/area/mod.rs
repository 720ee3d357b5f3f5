//! The areas.

mod abuse;
mod answers;
mod backup;
mod certificate;
mod clock;
mod disk;
mod dkim;
mod dns;
mod dnsbl;
mod greeting;
pub mod limits;
mod memory;
mod nat;
mod permissions;
mod port25;
mod ports;
mod ptr;
pub mod queue;
mod state;
mod sts;
mod system;
mod units;

use anyhow::Result;

pub use disk::{Space, size};
pub use system::{span, uptime};

use super::{
    Context,
    finding::{Area, Finding},
};

/// Looks at an area.
///
/// # Errors
/// When what there is to know about it cannot be found out.
pub(super) fn check(area: Area, cx: &Context) -> Result<Vec<Finding>> {
    if !cx.server.is_live() && needs_machine(area, cx) {
        return Ok(vec![Finding::unknown(
            area,
            "",
            "Only on the server itself.",
        )]);
    }
    match area {
        Area::Answers => answers::check(cx),
        Area::Units => units::check(),
        Area::Ports => ports::check(),
        Area::Port25 => port25::check(cx),
        Area::Nat => nat::check(cx),
        Area::Ptr => ptr::check(cx),
        Area::Dns => dns::check(cx),
        Area::Dkim => dkim::check(cx),
        Area::Dnsbl => dnsbl::check(cx),
        Area::Certificate => certificate::check(cx),
        Area::Sts => sts::check(cx),
        Area::Queue => queue::check(cx),
        Area::Limits => limits::check(cx),
        Area::Abuse => abuse::check(cx),
        Area::Clock => clock::check(),
        Area::Memory => memory::check(),
        Area::State => state::check(cx),
        Area::Disk => disk::check(cx),
        Area::Permissions => permissions::check(cx),
        Area::Backup => backup::check(cx),
        Area::System => system::check(),
    }
}

/// Whether what it looks at is no file below the root.
fn needs_machine(area: Area, cx: &Context) -> bool {
    match area {
        Area::Port25 => cx.targets.is_empty(),
        Area::Answers | Area::Dkim | Area::Certificate | Area::Permissions | Area::Backup => false,
        _ => true,
    }
}
