//! The root file system of the image: the folder `EZMAIL_ROOT`, or else unpacked from the newest
//! `out/*.iso`. It is not written to.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use ezmail::util::{files, run::Task, sandbox::Sandbox};

/// Unpacked once for all tests; the folder, if it is a temporary one, goes with the process.
pub static ROOT: LazyLock<PathBuf> = LazyLock::new(|| match std::env::var_os("EZMAIL_ROOT") {
    Some(root) => root.into(),
    None => unpack(),
});

fn unpack() -> PathBuf {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let isos = fs::read_dir(project.join("out")).map(|entries| {
        let paths = entries.map(|entry| entry.unwrap().path());
        let isos = paths.filter(|path| path.extension().is_some_and(|e| e == "iso"));
        isos.max_by_key(|path| path.metadata().unwrap().modified().unwrap())
    });
    let iso = isos
        .ok()
        .flatten()
        .expect("no out/*.iso: build one with ci/iso, or name a root file system in EZMAIL_ROOT");
    let work = Path::new(env!("CARGO_TARGET_TMPDIR")).join("image-root");
    files::remove_dir_all(&work).unwrap();
    files::create_dir_all(&work).unwrap();
    let (squashfs, root) = (work.join("airootfs.sfs"), work.join("root"));
    let shell = xshell::Shell::new().unwrap();
    let extract = xshell::cmd!(
        shell,
        "xorriso -osirrox on -indev {iso} -extract /arch/x86_64/airootfs.sfs {squashfs}"
    );
    Task::new("taking the root file system out of the ISO", extract)
        .run()
        .unwrap();
    let unsquash = Sandbox::host().command(
        "unsquashfs",
        ["-d".as_ref(), root.as_os_str(), squashfs.as_os_str()],
    );
    Task::new("unpacking the root file system", unsquash)
        .run()
        .unwrap();
    root
}
