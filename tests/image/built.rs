//! What `ezmail image` left in `out/`, unpacked once for all tests.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use tempfile::TempDir;

/// The folder of results.
pub fn out() -> PathBuf {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("out");
    let out = std::env::var_os("EZMAIL_OUT").map_or(default, PathBuf::from);
    assert!(
        out.is_dir(),
        "{} is not there: run ci/iso first",
        out.display()
    );
    out
}

/// The newest ISO in `out/`.
pub fn iso() -> PathBuf {
    let mut all: Vec<PathBuf> = fs::read_dir(out())
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "iso"))
        .collect();
    all.sort_by_key(|p| p.metadata().unwrap().modified().unwrap());
    all.pop().expect("out/ has no ISO: run ci/iso first")
}

/// The ISO and what is inside, as folders.
pub struct Unpacked {
    _dir: TempDir,
    /// The ISO's tree.
    pub iso: PathBuf,
    /// The image's root file system.
    pub root: PathBuf,
}

/// Unpacks the ISO with other tools than those that wrote it.
pub fn unpacked() -> &'static Unpacked {
    static ONCE: OnceLock<Unpacked> = OnceLock::new();
    ONCE.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let iso = dir.path().join("iso");
        fs::create_dir(&iso).unwrap();
        run(Command::new("bsdtar")
            .arg("-xf")
            .arg(self::iso())
            .arg("-C")
            .arg(&iso));
        let root = dir.path().join("root");
        let sfs = iso.join("arch/x86_64/airootfs.sfs");
        run(Command::new("unsquashfs")
            .args(["-quiet", "-no-progress", "-d"])
            .arg(&root)
            .arg(sfs));
        Unpacked {
            _dir: dir,
            iso,
            root,
        }
    })
}

/// Runs a command that must succeed; its standard output.
pub fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// The manifest beside the ISO.
pub fn manifest() -> serde_json::Value {
    let path = iso().with_extension("manifest.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}
