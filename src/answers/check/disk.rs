//! Disks: the state volume, and what the server is installed to.

use std::path::{Component, Path};

use super::Context;
use crate::answers::{
    model::{Install, State},
    node::{Node, Text},
    rules::Rule,
};

/// `[state]`.
pub(super) fn state(root: &Node<'_>, cx: &mut Context<'_>) -> Option<State> {
    let Some(node) = root.table("state") else {
        if !root.has("state") && !root.has("install") {
            cx.report.add(
                Rule::NoState,
                "state",
                0..0,
                "there is no `[state]`: mail, keys and settings are gone after a reboot",
                "fine for trying; else add `[state]` with `device = \"/dev/vda\"`, the disk to \
                 keep them on, or `[install]` with it, to install the server to that disk",
            );
        }
        return None;
    };
    let wipe = node.boolean("wipe").unwrap_or(false);
    let device = device(&node.text("device")?, cx)?;
    Some(State { device, wipe })
}

/// `[install]`, which has a state volume of its own.
pub(super) fn install(root: &Node<'_>, cx: &mut Context<'_>) -> Option<Install> {
    let node = root.table("install")?;
    if root.has("state") {
        cx.report.add(
            Rule::InstallAndState,
            "install",
            node.span.clone(),
            "`[install]` and `[state]` are both given: what is installed to has a state volume of \
             its own",
            "remove `[state]` to install to the disk, or `[install]` to boot from the ISO \
             each time",
        );
        return None;
    }
    let wipe = node.boolean("wipe").unwrap_or(false);
    let device = device(&node.text("device")?, cx)?;
    Some(Install { device, wipe })
}

/// A path below `/dev/`, in plain ASCII.
fn device(value: &Text<'_>, cx: &mut Context<'_>) -> Option<String> {
    let path = Path::new(value.text);
    let mut parts = path.components();
    let is_device = parts.next() == Some(Component::RootDir)
        && parts.next() == Some(Component::Normal("dev".as_ref()))
        && parts.clone().count() > 0
        && parts.all(|p| matches!(p, Component::Normal(_)))
        && !value.text.ends_with('/')
        && value.text.chars().all(|c| c.is_ascii_graphic());
    if !is_device {
        let message = format!("`{}` is not the path of a disk", value.text);
        let help = "write a path under `/dev/`, such as `/dev/vda` or `/dev/disk/by-id/…`";
        cx.about(Rule::Device, value, message, help);
        return None;
    }
    Some(value.text.to_owned())
}
