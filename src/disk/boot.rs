//! What the boot loaders on an installed disk read.
//!
//! The system finds its root file system by a file whose name is unique to this installation: neither
//! an ISO that is still attached nor another installed disk has it (mkinitcpio-archiso,
//! `archisosearchfilename`).

use super::image::Image;

/// The folder of the image on the boot partition. A second one can lie beside it.
pub const FOLDER: &str = "image-1";
/// How the file begins by which the partition is found, in its root.
pub const SEARCH: &str = "ezmail-";

/// An image as it is booted from a disk.
#[derive(Debug)]
pub struct Boot<'a> {
    image: &'a Image,
    /// The name of the file by which the partition is found.
    pub search: String,
}

impl<'a> Boot<'a> {
    /// `id` is of this installation alone.
    pub fn new(image: &'a Image, id: &str) -> Self {
        let search = format!("{SEARCH}{id}");
        Self { image, search }
    }

    /// Where a file of the image is on the partition.
    pub fn place(&self, path: &str) -> String {
        let below = path.trim_start_matches('/');
        let below = below.strip_prefix(&self.image.base).unwrap_or(below);
        format!("/{FOLDER}{below}")
    }

    /// The kernel's command line: the image's own, with another place of the root file system.
    fn options(&self) -> String {
        let own = [
            format!("archisobasedir={FOLDER}"),
            format!("archisosearchfilename=/{}", self.search),
            // a first copy of the table that was damaged is no reason not to boot
            "gpt".to_owned(),
        ];
        let rest = self.image.entry.options.iter();
        let rest = rest.filter(|o| !o.starts_with("archiso")).cloned();
        let all: Vec<String> = own.into_iter().chain(rest).collect();
        all.join(" ")
    }

    fn places<'b>(&'b self, word: &'b str) -> impl Iterator<Item = String> + 'b {
        let files = self.image.entry.files.iter();
        files
            .filter(move |f| f.word == word)
            .map(|f| self.place(&f.path))
    }

    /// loader.conf(5).
    pub fn loader_conf() -> &'static str {
        "timeout 1\ndefault ezmail.conf\neditor no\n"
    }

    /// The entry of systemd-boot (Boot Loader Specification, type 1).
    pub fn entry(&self) -> String {
        let mut text = format!("title    ezmail {}\n", self.image.version);
        for word in ["linux", "initrd"] {
            for place in self.places(word) {
                text += &format!("{word:<8} {place}\n");
            }
        }
        text + &format!("options  {}\n", self.options())
    }

    /// The configuration of syslinux.
    pub fn syslinux(&self) -> String {
        let kernel: Vec<String> = self.places("linux").collect();
        let initrds: Vec<String> = self.places("initrd").collect();
        format!(
            "SERIAL 0 115200\nDEFAULT ezmail\nPROMPT 0\nTIMEOUT 10\n\nSAY ezmail {}\n\nLABEL ezmail\n\
             LINUX {}\nINITRD {}\nAPPEND {}\n",
            self.image.version,
            kernel.join(" "),
            initrds.join(","),
            self.options()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::image::test_tree;

    #[test]
    fn both_loaders_boot_the_image_of_this_disk() {
        let tree = test_tree();
        let image = Image::read(tree.path()).unwrap();
        let boot = Boot::new(&image, "0123");
        insta::assert_snapshot!(format!("{}---\n{}", boot.entry(), boot.syslinux()), @r"
        title    ezmail 0.1.0-standin
        linux    /image-1/boot/x86_64/vmlinuz-linux
        initrd   /image-1/boot/x86_64/initramfs-linux.img
        options  archisobasedir=image-1 archisosearchfilename=/ezmail-0123 gpt copytoram=n console=ttyS0,115200
        ---
        SERIAL 0 115200
        DEFAULT ezmail
        PROMPT 0
        TIMEOUT 10

        SAY ezmail 0.1.0-standin

        LABEL ezmail
        LINUX /image-1/boot/x86_64/vmlinuz-linux
        INITRD /image-1/boot/x86_64/initramfs-linux.img
        APPEND archisobasedir=image-1 archisosearchfilename=/ezmail-0123 gpt copytoram=n console=ttyS0,115200
        ");
    }
}
