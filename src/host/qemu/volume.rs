//! The answers volume (FAT, labelled `EZMAIL`) and the disks of a machine.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use super::{
    config::{Disk, DiskFormat},
    process::install_hint,
};
use crate::util::{
    files,
    run::{Task, find_program},
};

/// The label by which the agent finds the volume.
pub const ANSWERS_LABEL: &str = "EZMAIL";

/// Writes a FAT image to `image`: `answers` as `answers.toml` beside the `extra` files under
/// their own names; or, if `answers` is a folder, what is in it beside them.
///
/// # Errors
/// When a file is missing, two have the same name, a folder has no `answers.toml`, or
/// mkfs.fat or mcopy fail.
pub fn answers_volume(answers: &Path, extra: &[PathBuf], image: &Path) -> Result<()> {
    let mut entries: Vec<(String, PathBuf)> = Vec::new();
    let meta = fs::metadata(answers)
        .with_context(|| format!("the answers {} cannot be read", answers.display()))?;
    if meta.is_dir() {
        for entry in
            fs::read_dir(answers).with_context(|| format!("reading {}", answers.display()))?
        {
            let path = entry?.path();
            entries.push((name_of(&path)?, path));
        }
        if !entries.iter().any(|(name, _)| name == "answers.toml") {
            bail!(
                "the folder {} has no answers.toml: put the answers there under that name",
                answers.display()
            );
        }
    } else {
        entries.push(("answers.toml".to_owned(), answers.to_path_buf()));
    }
    for path in extra {
        entries.push((name_of(path)?, path.clone()));
    }
    entries.sort();
    for pair in entries.windows(2) {
        // FAT does not tell upper from lower case
        if pair[0].0.eq_ignore_ascii_case(&pair[1].0) {
            bail!(
                "two files would be {} on the answers volume: {} and {}",
                pair[1].0,
                pair[0].1.display(),
                pair[1].1.display()
            );
        }
    }
    let kib = image_kib(&entries)?;
    let mkfs = tool("mkfs.fat", "dosfstools")?;
    let mcopy = tool("mcopy", "mtools")?;
    // holds keys: nobody else may read it, from its first moment
    files::create_new(image, "", 0o600)?;
    fs::OpenOptions::new()
        .write(true)
        .open(image)
        .and_then(|file| file.set_len(kib * 1024))
        .with_context(|| format!("making room for {}", image.display()))?;
    let mut command = Command::new(mkfs);
    command.args(["-n", ANSWERS_LABEL]).arg(image);
    Task::new("formatting the answers volume", command).run()?;
    for (name, path) in &entries {
        let mut command = Command::new(&mcopy);
        command.arg("-i").arg(image).args(["-s", "-Q"]).arg(path);
        command.arg(format!("::{name}"));
        Task::new("copying to the answers volume", command).run()?;
    }
    Ok(())
}

fn name_of(path: &Path) -> Result<String> {
    path.file_name()
        .and_then(|n| n.to_str())
        .map(str::to_owned)
        .with_context(|| format!("{} has no name that FAT can hold", path.display()))
}

fn tool(program: &str, package: &str) -> Result<PathBuf> {
    find_program(program).with_context(|| {
        format!(
            "{program} was not found; install it with: {}",
            install_hint(package, package)
        )
    })
}

/// Room for the files, each rounded up to the largest cluster, and for the file system itself.
fn image_kib(entries: &[(String, PathBuf)]) -> Result<u64> {
    let mut kib = 2048;
    for (_, path) in entries {
        for entry in walkdir::WalkDir::new(path) {
            let entry = entry.with_context(|| format!("reading {}", path.display()))?;
            kib += entry.metadata()?.len().div_ceil(1024) + 32;
        }
    }
    Ok(kib)
}

/// Creates `disk` if its file does not exist.
///
/// # Errors
/// When it does not exist and no size is given, or it cannot be created.
pub fn create_disk(disk: &Disk) -> Result<()> {
    if disk.path.exists() {
        return Ok(());
    }
    let Some(size) = disk.size else {
        bail!(
            "the disk {path} does not exist; to create it, add its size: --disk {path}:8G",
            path = disk.path.display()
        );
    };
    match disk.format {
        DiskFormat::Raw => {
            let file = files::AtomicFile::create(&disk.path)?;
            file.file()
                .set_len(size)
                .with_context(|| format!("making {} {size} bytes long", disk.path.display()))?;
            file.commit(0o600)
        }
        DiskFormat::Qcow2 => {
            let qemu_img = find_program("qemu-img").with_context(|| {
                format!(
                    "qemu-img was not found; install it with: {}",
                    install_hint("qemu-utils", "qemu-img")
                )
            })?;
            // created under another name, so that a half-made disk is never taken for a blank one
            let file = files::AtomicFile::create(&disk.path)?;
            let mut command = Command::new(qemu_img);
            command.args(["create", "-q", "-f", "qcow2"]);
            command.arg(file.temp_path()).arg(size.to_string());
            Task::new(
                format!("creating the disk {}", disk.path.display()),
                command,
            )
            .run()?;
            file.commit(0o600)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(image: &Path) -> String {
        let mut command = Command::new("mdir");
        command.args(["-b", "-/", "-i"]).arg(image).arg("::");
        Task::new("listing", command).output().unwrap()
    }

    #[test]
    fn a_file_becomes_answers_toml() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("mine.toml"), "domain = \"example.org\"\n").unwrap();
        fs::write(path("dkim.example.org.key"), vec![b'k'; 3_000_000]).unwrap();
        let image = path("volume.img");
        answers_volume(&path("mine.toml"), &[path("dkim.example.org.key")], &image).unwrap();
        assert_eq!(
            listing(&image),
            "::/answers.toml\n::/dkim.example.org.key\n"
        );
        let mut command = Command::new("mtype");
        command.arg("-i").arg(&image).arg("::answers.toml");
        let text = Task::new("reading", command).output().unwrap();
        assert_eq!(text, "domain = \"example.org\"\n");
        let mut command = Command::new("blkid");
        command
            .args(["-p", "-o", "value", "-s", "LABEL"])
            .arg(&image);
        assert_eq!(Task::new("label", command).output().unwrap(), "EZMAIL\n");
    }

    #[test]
    fn a_folder_is_taken_whole() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("answers");
        fs::create_dir_all(folder.join("keys")).unwrap();
        fs::write(folder.join("answers.toml"), "a").unwrap();
        fs::write(folder.join("keys/one.key"), "b").unwrap();
        let image = dir.path().join("volume.img");
        answers_volume(&folder, &[], &image).unwrap();
        assert_eq!(
            listing(&image),
            "::/answers.toml\n::/keys/\n::/keys/one.key\n"
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::create_dir_all(path("empty")).unwrap();
        fs::write(path("a.toml"), "").unwrap();
        fs::write(path("Answers.toml"), "").unwrap();
        let image = path("volume.img");
        let errors = [
            answers_volume(&path("none"), &[], &image).unwrap_err(),
            answers_volume(&path("empty"), &[], &image).unwrap_err(),
            answers_volume(&path("a.toml"), &[path("Answers.toml")], &image).unwrap_err(),
            create_disk(&Disk::new(&path("none.qcow2"), None)).unwrap_err(),
        ];
        let said: String = errors.iter().map(|e| format!("{e:#}\n")).collect();
        insta::assert_snapshot!(said.replace(&dir.path().display().to_string(), "DIR"));
        assert!(!image.exists());
    }

    #[test]
    fn a_disk_is_created_once() {
        let dir = tempfile::tempdir().unwrap();
        let qcow2 = Disk::new(&dir.path().join("a.qcow2"), Some(1 << 30));
        create_disk(&qcow2).unwrap();
        assert_eq!(fs::read(&qcow2.path).unwrap()[..4], *b"QFI\xfb");
        let raw = Disk::new(&dir.path().join("a.img"), Some(1 << 20));
        create_disk(&raw).unwrap();
        fs::write(&raw.path, "kept").unwrap();
        create_disk(&raw).unwrap();
        assert_eq!(fs::read(&raw.path).unwrap(), b"kept");
    }
}
