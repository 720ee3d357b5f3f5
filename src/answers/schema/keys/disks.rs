//! Where the server lives.

use crate::answers::schema::{Key, Kind};

pub const DISKS: &[Key] = &[
    Key::new("state", Kind::Table, "the state volume")
        .default("the server runs from memory and forgets everything at a reboot")
        .doc("The disk that keeps mail, keys and settings."),
    Key::new("state.device", Kind::String, "the path of a disk")
        .required()
        .pattern("^/dev/.")
        .example("\"/dev/vda\"")
        .doc(
            "The disk or partition, under `/dev/`. An existing state volume is found by its \
             label; on a blank device one is created.",
        ),
    Key::new("state.wipe", Kind::Boolean, "true or false")
        .default("`false`")
        .example("false")
        .doc(
            "`true` lets the server erase a device that holds something else. It never erases a \
             state volume.",
        ),
    Key::new("install", Kind::Table, "installing to disk")
        .default("the server runs from the medium that it was booted from")
        .doc(
            "The disk that the server is installed to, the image itself and a state volume: it \
             boots without the ISO from then on. In place of `[state]`.",
        ),
    Key::new("install.device", Kind::String, "the path of a disk")
        .required()
        .pattern("^/dev/.")
        .example("\"/dev/vda\"")
        .doc(
            "The disk, under `/dev/`, a whole one. A blank one is installed to at the first boot; \
             one that has been installed to is left as it is.",
        ),
    Key::new("install.wipe", Kind::Boolean, "true or false")
        .default("`false`")
        .example("false")
        .doc(
            "`true` lets the server erase a disk that holds something else. It never erases a \
             state volume.",
        ),
];
