//! What Arch's own packages would bring and Debian's do not.

use super::Kind;

/// Path, content and mode of each file; paths without a leading `/`.
pub fn files(kind: Kind) -> Vec<(&'static str, &'static str, u32)> {
    let mut files = vec![
        (
            "usr/share/libalpm/hooks/20-systemd-sysusers.hook",
            include_str!("compat/20-systemd-sysusers.hook"),
            0o644,
        ),
        (
            "usr/share/libalpm/hooks/30-systemd-tmpfiles.hook",
            include_str!("compat/30-systemd-tmpfiles.hook"),
            0o644,
        ),
    ];
    if kind == Kind::Image {
        files.push((
            "usr/lib/systemd/system-preset/99-default.preset",
            include_str!("compat/99-default.preset"),
            0o644,
        ));
    }
    files
}
