//! The archiso profile: rendered from `profile/` and `airootfs/` of the checkout.
//!
//! What comes out is a plain profile that upstream's mkarchiso takes as it is; `ezmail image`
//! assembles from the same folder.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use super::{
    base::Base,
    copy,
    pacman::{self, Section},
    project::VERSION,
    replace,
};
use crate::util::{files, run::Task};

/// Kernel parameters of every boot entry, after archiso's own.
///
/// `copytoram=n`: an image that fits into memory is no reason to fill a small server's memory
/// with it. Nothing asks at first boot, and the kernel tells only of what is wrong. Users, linker
/// cache and hardware database are in the image: without `condition_needs_update=no` every boot
/// makes them again, as it finds an `/etc` that was never booted. Both consoles show the boot; the
/// last one named is `/dev/console`.
pub const KERNEL_OPTIONS: &str = "copytoram=n systemd.firstboot=no systemd.condition_needs_update=no \
                                  audit=0 loglevel=4 console=tty0 console=ttyS0,115200";

/// How the folder begins in which a profile is made.
pub const SCRATCH: &str = ".ezmail-profile-";

/// The file that makes a folder a profile, and the line of it that makes it one of ours.
const DEFINITION: &str = "profiledef.sh";
const NAME: &str = "iso_name=\"ezmail\"";

/// What a profile is rendered from.
#[derive(Debug)]
pub struct Request<'a> {
    /// The checkout.
    pub root: &'a Path,
    /// The chosen base.
    pub base: Base,
    /// Repositories, ours first.
    pub sections: &'a [Section],
    /// zstd level of the squashfs.
    pub compression_level: u8,
    /// Packages beside the profile's.
    pub extra_packages: &'a [String],
}

/// Writes the profile into the folder `out`, in place of what is there. In one that a person has `given`,
/// nothing may be beside a profile; in that among the results, names that an earlier version had may.
///
/// # Errors
/// When a template does not render, a file cannot be written, or `out` has something else in it than a
/// profile of ours; nothing is replaced then.
pub fn write(request: &Request, out: &Path, given: bool) -> Result<()> {
    let parent = out.parent().context("the profile's folder has no parent")?;
    files::create_dir_all(parent)?;
    let scratch = tempfile::Builder::new()
        .prefix(SCRATCH)
        .tempdir_in(parent)?;
    let new = scratch.path().join("new");
    copy::tree(&request.root.join("profile"), &new)?;
    render_templates(&new, &context(request))?;
    copy::tree(&request.root.join("airootfs"), &new.join("airootfs"))?;
    files::write(
        &new.join("pacman.conf"),
        pacman::conf(request.sections),
        0o644,
    )?;
    if !request.extra_packages.is_empty() {
        let path = new.join("packages.x86_64");
        let text = files::read_to_string(&path)? + "\n" + &request.extra_packages.join("\n") + "\n";
        files::write(&path, text, 0o644)?;
    }
    refuse_other(out, &new, given)?;
    replace::folder(&new, out, &scratch.path().join("old"))
}

/// Refuses a folder whose content is not a profile of ours, such as `new` is: it would be replaced.
fn refuse_other(out: &Path, new: &Path, given: bool) -> Result<()> {
    let there = names(out)?;
    if there.is_empty() {
        return Ok(());
    }
    let ours = names(new)?;
    let refuse = |why: String| {
        bail!(
            "{} has something else in it than a profile of ezmail's, which would replace it: {why}; \
             name another folder, or move it away",
            out.display()
        )
    };
    let stray = there.iter().find(|name| !ours.contains(*name));
    if let Some(stray) = stray.filter(|_| given) {
        return refuse(stray.display().to_string());
    }
    let said = |folder: &Path| -> Result<Option<String>> {
        let path = folder.join(DEFINITION);
        if !path.is_file() {
            return Ok(None);
        }
        let text = files::read_to_string(&path)?;
        let mut lines = text.lines();
        Ok(lines
            .find(|l| l.starts_with("iso_name="))
            .map(str::to_owned))
    };
    // a checkout may have another name for its ISO
    let name = said(out)?;
    if name != said(new)? && name.as_deref() != Some(NAME) {
        return refuse(format!("its {DEFINITION} does not say {NAME}"));
    }
    Ok(())
}

/// The names in a folder, sorted; none where there is no folder.
fn names(folder: &Path) -> Result<BTreeSet<OsString>> {
    let what = || format!("opening {}", folder.display());
    match fs::read_dir(folder) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(BTreeSet::new()),
        other => other
            .with_context(what)?
            .map(|entry| Ok(entry.with_context(what)?.file_name()))
            .collect(),
    }
}

/// The packages that the checkout's profile asks for, and `extra` ones.
///
/// # Errors
/// When the list cannot be read.
pub fn packages(root: &Path, extra: &[String]) -> Result<Vec<String>> {
    let text = files::read_to_string(&root.join("profile/packages.x86_64"))?;
    Ok(package_list(&text)
        .into_iter()
        .chain(extra.iter().cloned())
        .collect())
}

fn context(request: &Request) -> tera::Context {
    let mut context = tera::Context::new();
    context.insert("version", VERSION);
    context.insert("base", request.base.name());
    context.insert("compression_level", &request.compression_level);
    context.insert("kernel_options", KERNEL_OPTIONS);
    context
}

/// Renders every `NAME.tera` below `folder` to `NAME`.
fn render_templates(folder: &Path, context: &tera::Context) -> Result<()> {
    for entry in walkdir::WalkDir::new(folder) {
        let path = entry
            .with_context(|| format!("reading {}", folder.display()))?
            .into_path();
        if path.extension().is_none_or(|e| e != "tera") {
            continue;
        }
        let text = render(&files::read_to_string(&path)?, context)
            .with_context(|| format!("rendering {}", path.display()))?;
        files::write(&path.with_extension(""), text, 0o644)?;
        fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
    }
    Ok(())
}

fn render(template: &str, context: &tera::Context) -> Result<String> {
    let mut tera = tera::Tera::default();
    tera.add_raw_template("t", template)?;
    Ok(tera.render("t", context)?)
}

/// The variables of a profile's `profiledef.sh` that an ISO is made from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProfileDef {
    /// First part of the file name.
    pub iso_name: String,
    /// Volume id.
    pub iso_label: String,
    /// Publisher of the volume.
    pub iso_publisher: String,
    /// Application of the volume.
    pub iso_application: String,
    /// Second part of the file name.
    pub iso_version: String,
    /// Top folder on the ISO.
    pub install_dir: String,
    /// `bios.syslinux`, `uefi.systemd-boot`.
    pub bootmodes: Vec<String>,
    /// Options of mksquashfs.
    pub squashfs_options: Vec<String>,
    /// Path in the image to `uid:gid:mode`.
    pub file_permissions: BTreeMap<String, String>,
    /// Package names, from the package list.
    pub packages: Vec<String>,
    /// The profile's folder.
    pub folder: PathBuf,
}

impl ProfileDef {
    /// Reads the profile in `folder`, as mkarchiso does: bash sources `profiledef.sh`.
    ///
    /// # Errors
    /// When bash stumbles, a variable that is needed is empty, or the package list is.
    pub fn read(folder: &Path) -> Result<Self> {
        let sh = xshell::Shell::new().context("opening the working folder")?;
        sh.change_dir(folder);
        let command = xshell::cmd!(sh, "bash -euc {PRINT}");
        let text = Task::new(
            format!("reading {}/profiledef.sh", folder.display()),
            command,
        )
        .output()?;
        let mut this = Self::parse(&text)?;
        this.folder = folder.to_path_buf();
        this.packages = package_list(&files::read_to_string(&folder.join("packages.x86_64"))?);
        if this.packages.is_empty() {
            bail!("{}/packages.x86_64 names no package", folder.display());
        }
        Ok(this)
    }

    fn parse(text: &str) -> Result<Self> {
        let mut this = Self::default();
        for record in text.split('\0').filter(|r| !r.is_empty()) {
            let (name, value) = record
                .split_once('=')
                .context("bash printed no 'name=value'")?;
            let value = value.to_owned();
            match name {
                "iso_name" => this.iso_name = value,
                "iso_label" => this.iso_label = value,
                "iso_publisher" => this.iso_publisher = value,
                "iso_application" => this.iso_application = value,
                "iso_version" => this.iso_version = value,
                "install_dir" => this.install_dir = value,
                "bootmode" => this.bootmodes.push(value),
                "squashfs" => this.squashfs_options.push(value),
                _ => {
                    let path = name
                        .strip_prefix("permission:")
                        .context("an unknown record")?;
                    this.file_permissions.insert(path.to_owned(), value);
                }
            }
        }
        let known = ["bios.syslinux", "uefi.systemd-boot"];
        if let Some(mode) = this.bootmodes.iter().find(|m| !known.contains(&m.as_str())) {
            bail!(
                "bootmodes has '{mode}'; ezmail image knows {}",
                known.join(" and ")
            );
        }
        for (name, value) in [
            ("iso_name", &this.iso_name),
            ("iso_label", &this.iso_label),
            ("iso_version", &this.iso_version),
            ("install_dir", &this.install_dir),
        ] {
            if value.is_empty() {
                bail!("profiledef.sh sets no {name}");
            }
        }
        if this.install_dir.len() > 8
            || !this
                .install_dir
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        {
            bail!(
                "install_dir is '{}'; it may have up to 8 of a-z and 0-9",
                this.install_dir
            );
        }
        Ok(this)
    }

    /// File name of the ISO.
    pub fn file_name(&self) -> String {
        format!("{}-{}-x86_64.iso", self.iso_name, self.iso_version)
    }
}

/// Prints the variables as NUL-ended `name=value` records.
const PRINT: &str = r#"
declare -A file_permissions=()
bootmodes=() airootfs_image_tool_options=()
source ./profiledef.sh
for v in iso_name iso_label iso_publisher iso_application iso_version install_dir; do
  printf '%s=%s\0' "$v" "${!v-}"
done
for m in "${bootmodes[@]}"; do printf 'bootmode=%s\0' "$m"; done
for o in "${airootfs_image_tool_options[@]}"; do printf 'squashfs=%s\0' "$o"; done
for p in "${!file_permissions[@]}"; do printf 'permission:%s=%s\0' "$p" "${file_permissions[$p]}"; done
"#;

/// Names of a package list: one a line, comments from `#`.
fn package_list(text: &str) -> Vec<String> {
    text.lines()
        .map(|l| l.split('#').next().unwrap_or_default().trim())
        .filter(|l| !l.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checkouts_own_profile_renders_and_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("profile");
        let request = Request {
            root: Path::new(env!("CARGO_MANIFEST_DIR")),
            base: Base::Standin,
            sections: &[],
            compression_level: 9,
            extra_packages: &["htop".to_owned()],
        };
        write(&request, &out, true).unwrap();
        write(&request, &out, true).unwrap();
        let def = ProfileDef::read(&out).unwrap();
        assert_eq!(
            def.file_name(),
            format!("ezmail-{VERSION}-standin-x86_64.iso")
        );
        assert_eq!(def.bootmodes, ["bios.syslinux", "uefi.systemd-boot"]);
        assert_eq!(def.file_permissions["/root"], "0:0:700");
        assert!(def.packages.contains(&"opensmtpd".to_owned()));
        assert_eq!(def.packages.last().unwrap(), "htop");
        for file in [
            "syslinux/syslinux.cfg",
            "efiboot/loader/entries/ezmail.conf",
        ] {
            let text = fs::read_to_string(out.join(file)).unwrap();
            assert!(
                text.contains("copytoram=n") && !text.contains("{{"),
                "{text}"
            );
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_with_something_else_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("profile");
        let request = Request {
            root: Path::new(env!("CARGO_MANIFEST_DIR")),
            base: Base::Arch,
            sections: &[],
            compression_level: 9,
            extra_packages: &[],
        };
        let error = || {
            let text = write(&request, &out, true).unwrap_err().to_string();
            text.replace(&dir.path().display().to_string(), "DIR")
        };
        fs::create_dir(&out).unwrap();
        fs::write(out.join("letter"), "dear").unwrap();
        insta::assert_snapshot!(error(), @"DIR/profile has something else in it than a profile of ezmail's, which would replace it: letter; name another folder, or move it away");
        fs::remove_file(out.join("letter")).unwrap();

        // somebody else's profile
        fs::write(out.join(DEFINITION), "iso_name=\"archlinux\"\n").unwrap();
        fs::create_dir(out.join("airootfs")).unwrap();
        insta::assert_snapshot!(error(), @r#"DIR/profile has something else in it than a profile of ezmail's, which would replace it: its profiledef.sh does not say iso_name="ezmail"; name another folder, or move it away"#);

        // ours, with something beside it
        fs::write(out.join(DEFINITION), format!("# x\n{NAME}\n")).unwrap();
        fs::create_dir(out.join("work")).unwrap();
        insta::assert_snapshot!(error(), @"DIR/profile has something else in it than a profile of ezmail's, which would replace it: work; name another folder, or move it away");
        // among the results it is a left-over
        write(&request, &out, false).unwrap();
        assert!(!out.join("work").exists());
        write(&request, &out, true).unwrap();
        assert!(out.join("pacman.conf").exists());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn comments_are_no_packages() {
        assert_eq!(package_list("# a\nbase # b\n\n linux\n"), ["base", "linux"]);
    }

    #[test]
    fn wrong_values_are_refused() {
        let error = |text: &str| ProfileDef::parse(text).unwrap_err().to_string();
        let good = "iso_name=a\0iso_label=b\0iso_version=1\0install_dir=arch\0";
        ProfileDef::parse(good).unwrap();
        insta::assert_snapshot!(error(&format!("{good}bootmode=uefi.grub\0")), @"bootmodes has 'uefi.grub'; ezmail image knows bios.syslinux and uefi.systemd-boot");
        insta::assert_snapshot!(error("iso_name=a\0"), @"profiledef.sh sets no iso_label");
        insta::assert_snapshot!(error(&good.replace("=arch", "=Arch-Linux")), @"install_dir is 'Arch-Linux'; it may have up to 8 of a-z and 0-9");
    }
}
