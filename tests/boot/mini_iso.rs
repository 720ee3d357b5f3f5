//! A bootable ISO of a few hundred bytes, made on the fly: a list of steps, as machine code for
//! BIOS (El Torito and MBR) and for UEFI; and a disk, for BIOS.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use ezmail::util::run::Task;

pub const COM1: u16 = 0x3f8;
pub const COM2: u16 = 0x2f8;

/// What the guest does, one after the other; after the last it halts.
pub enum Step {
    /// Writes a text of at most 100 bytes to a serial port.
    Print(u16, &'static str),
    /// Sends back what is typed on the first serial port, until a '!'.
    Echo,
    /// ACPI power-off, as the chipset of both QEMU machines has it.
    PowerOff,
    /// Resets the machine by the keyboard controller.
    Reset,
    /// Writes the boot sector to [`WRITTEN`] of the first disk; by BIOS only.
    Write,
}

/// The sector that [`Step::Write`] writes, from 0 on.
pub const WRITTEN: usize = 39;

/// Writes `disk.raw` to `folder`: 1 MiB, with the mark of a GPT.
pub fn make_disk(folder: &Path, steps: &[Step]) -> PathBuf {
    let mut bytes = boot_sector(&code(Mode::Bios, steps));
    bytes.extend(b"EFI PART");
    bytes.resize(1 << 20, 0);
    let disk = folder.join("disk.raw");
    std::fs::write(&disk, bytes).unwrap();
    disk
}

fn boot_sector(code: &[u8]) -> Vec<u8> {
    assert!(
        code.len() <= 440,
        "an MBR has no room for {} bytes",
        code.len()
    );
    let mut sector = code.to_vec();
    sector.resize(510, 0);
    sector.extend([0x55, 0xaa]);
    sector
}

/// Writes `mini.iso` to `folder`.
pub fn make(folder: &Path, steps: &[Step]) -> PathBuf {
    let tree = folder.join("tree");
    std::fs::create_dir_all(&tree).unwrap();
    let bios = code(Mode::Bios, steps);
    std::fs::write(folder.join("mbr.img"), boot_sector(&bios)).unwrap();
    let mut no_emulation = bios;
    no_emulation.resize(2048, 0);
    std::fs::write(tree.join("bios.img"), no_emulation).unwrap();

    let efi = folder.join("BOOTX64.EFI");
    std::fs::write(&efi, portable_executable(&code(Mode::Uefi, steps))).unwrap();
    let fat = tree.join("efi.img");
    std::fs::write(&fat, vec![0; 1_474_560]).unwrap();
    run(Command::new("/usr/sbin/mkfs.fat").arg(&fat));
    run(Command::new("mmd")
        .arg("-i")
        .arg(&fat)
        .args(["::EFI", "::EFI/BOOT"]));
    run(Command::new("mcopy")
        .arg("-i")
        .arg(&fat)
        .arg(&efi)
        .arg("::EFI/BOOT/BOOTX64.EFI"));

    let iso = folder.join("mini.iso");
    run(Command::new("xorriso")
        .args(["-as", "mkisofs", "-V", "MINI", "-o"])
        .arg(&iso)
        .arg("-G")
        .arg(folder.join("mbr.img"))
        .args("-b bios.img -no-emul-boot -boot-load-size 4 --mbr-force-bootable".split(' '))
        .args("-eltorito-alt-boot -e efi.img -no-emul-boot".split(' '))
        .arg(&tree));
    iso
}

fn run(command: &mut Command) {
    let command = std::mem::replace(command, Command::new("true"));
    Task::new("making the mini ISO", command).run().unwrap();
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    /// 16 bits, at 0x7c00.
    Bios,
    /// 64 bits, anywhere.
    Uefi,
}

struct Code {
    mode: Mode,
    bytes: Vec<u8>,
}

fn code(mode: Mode, steps: &[Step]) -> Vec<u8> {
    let mut code = Code {
        mode,
        bytes: Vec::new(),
    };
    code.put(&[0xfc]); // cld
    if mode == Mode::Bios {
        code.put(&[0x31, 0xc0, 0x8e, 0xd8]); // xor ax, ax; mov ds, ax
    }
    for step in steps {
        match step {
            Step::Print(port, text) => code.print(*port, text),
            Step::Echo => code.echo(),
            Step::PowerOff => {
                code.dx(0x604);
                code.put16(&[0xb8, 0x00, 0x20]); // mov ax, 0x2000 (SLP_EN)
                code.put16(&[0xef]); // out dx, ax
            }
            Step::Reset => code.put(&[0xb0, 0xfe, 0xe6, 0x64]), // mov al, 0xfe; out 0x64, al
            Step::Write => code.write(),
        }
    }
    code.put(&[0xf4, 0xeb, 0xfd]); // 1: hlt; jmp 1b
    code.bytes
}

impl Code {
    fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// An instruction with 16-bit operands.
    fn put16(&mut self, bytes: &[u8]) {
        if self.mode == Mode::Uefi {
            self.put(&[0x66]);
        }
        self.put(bytes);
    }

    /// mov dx, port
    fn dx(&mut self, port: u16) {
        let [low, high] = port.to_le_bytes();
        self.put16(&[0xba, low, high]);
    }

    /// A short jump with this opcode back to `target`.
    fn back(&mut self, opcode: u8, target: usize) {
        let distance = self.bytes.len() + 2 - target;
        self.put(&[opcode, u8::try_from(256 - distance).unwrap()]);
    }

    fn print(&mut self, port: u16, text: &str) {
        assert!(text.len() <= 100);
        // the text, jumped over
        self.put(&[0xeb, u8::try_from(text.len() + 1).unwrap()]);
        let at = self.bytes.len();
        self.put(text.as_bytes());
        self.put(&[0]);
        match self.mode {
            Mode::Bios => {
                let [low, high] = u16::try_from(0x7c00 + at).unwrap().to_le_bytes();
                self.put(&[0xbe, low, high]); // mov si, text
            }
            Mode::Uefi => {
                let distance = at as i32 - (self.bytes.len() as i32 + 7);
                self.put(&[0x48, 0x8d, 0x35]); // lea rsi, [rip + distance]
                self.put(&distance.to_le_bytes());
            }
        }
        let next = self.bytes.len();
        self.put(&[0xac, 0x84, 0xc0, 0x74, 0]); // lodsb; test al, al; jz end
        let end = self.bytes.len();
        self.put(&[0x88, 0xc4]); // mov ah, al
        self.dx(port + 5);
        self.put(&[0xec, 0xa8, 0x20, 0x74, 0xfb]); // 1: in al, dx; test al, 0x20; jz 1b
        self.put(&[0x88, 0xe0]); // mov al, ah
        self.dx(port);
        self.put(&[0xee]); // out dx, al
        self.back(0xeb, next);
        self.bytes[end - 1] = u8::try_from(self.bytes.len() - end).unwrap();
    }

    /// INT 13h, AH = 3: one sector from 0x7c00 to the first disk, whose sectors count from 1 there.
    fn write(&mut self) {
        assert!(self.mode == Mode::Bios, "there is no INT 13h in UEFI");
        let sector = u8::try_from(WRITTEN + 1).unwrap();
        self.put(&[0x31, 0xc0, 0x8e, 0xc0]); // xor ax, ax; mov es, ax
        self.put(&[0xb8, 0x01, 0x03, 0xbb, 0x00, 0x7c]); // mov ax, 0x301; mov bx, 0x7c00
        self.put(&[0xb9, sector, 0x00, 0xba, 0x80, 0x00]); // mov cx, sector; mov dx, 0x80
        self.put(&[0xcd, 0x13]); // int 0x13
    }

    fn echo(&mut self) {
        let again = self.bytes.len();
        self.dx(COM1 + 5);
        self.put(&[0xec, 0xa8, 0x01]); // in al, dx; test al, 1
        self.back(0x74, again); // jz again
        self.dx(COM1);
        self.put(&[0xec, 0xee, 0x3c, b'!']); // in al, dx; out dx, al; cmp al, '!'
        self.back(0x75, again); // jne again
    }
}

/// A UEFI application of one section (Microsoft's "PE Format").
fn portable_executable(code: &[u8]) -> Vec<u8> {
    let mut file = vec![0; 0x400];
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(0x00, b"MZ");
    put(0x3c, &0x40u32.to_le_bytes());
    put(0x40, b"PE\0\0");
    put(0x44, &0x8664u16.to_le_bytes()); // x86-64
    put(0x46, &1u16.to_le_bytes()); // sections
    put(0x54, &0xf0u16.to_le_bytes()); // size of the optional header
    put(0x56, &0x22u16.to_le_bytes()); // executable, large addresses
    let optional = 0x58;
    put(optional, &0x20bu16.to_le_bytes()); // PE32+
    put(optional + 4, &0x200u32.to_le_bytes()); // size of code
    put(optional + 16, &0x1000u32.to_le_bytes()); // entry point
    put(optional + 20, &0x1000u32.to_le_bytes()); // base of code
    put(optional + 32, &0x1000u32.to_le_bytes()); // section alignment
    put(optional + 36, &0x200u32.to_le_bytes()); // file alignment
    put(optional + 56, &0x2000u32.to_le_bytes()); // size of image
    put(optional + 60, &0x200u32.to_le_bytes()); // size of headers
    put(optional + 68, &10u16.to_le_bytes()); // UEFI application
    put(optional + 108, &16u32.to_le_bytes()); // data directories, all empty
    let section = optional + 0xf0;
    put(section, b".text");
    put(section + 8, &0x200u32.to_le_bytes()); // size in memory
    put(section + 12, &0x1000u32.to_le_bytes()); // where in memory
    put(section + 16, &0x200u32.to_le_bytes()); // size in the file
    put(section + 20, &0x200u32.to_le_bytes()); // where in the file
    put(section + 36, &0x6000_0020u32.to_le_bytes()); // code, readable, executable
    put(0x200, code);
    file
}
