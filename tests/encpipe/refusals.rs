//! What `encpipe` refuses, in which words, and that it leaves nothing behind.

use std::{
    fs,
    io::Write,
    os::unix::fs::symlink,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use ezmail::encpipe::{Encryptor, Key, Passphrase};

use crate::desk::{Desk, PASS, PROGRAM, vector};

/// A stream of the chunks `first` and `second`, which begin at 0 and 45; the end chunk begins at
/// 91, and the stream is 131 bytes long.
fn two_chunks() -> Vec<u8> {
    let passphrase = Passphrase::new(PASS.as_bytes().to_vec()).unwrap();
    let key = Key::derive(&passphrase).unwrap();
    let mut encryptor = Encryptor::new(Vec::new(), &key);
    encryptor.write_all(b"first").unwrap();
    encryptor.flush().unwrap();
    encryptor.write_all(b"second").unwrap();
    encryptor.finish().unwrap()
}

/// Decrypts `stream` to a file and to standard output. Both must fail with the same words, the
/// file must not be there, nor anything else that was not, and standard output may only hold
/// what was authenticated. Returns the message of the first.
fn refused(stream: &[u8], authentic: &[u8]) -> String {
    let desk = Desk::new();
    desk.write("in", stream);
    let before = desk.names();
    let message = desk
        .run(&["-d", "-P", "pass", "-i", "in", "-o", "out"])
        .fails();
    assert_eq!(desk.names(), before, "something was left behind");

    let piped = desk.run_with(&["-d", "-P", "pass"], stream);
    assert_eq!(piped.stdout, authentic);
    let reason = |m: &str| m.split_once("): ").expect("a reason").1.to_owned();
    assert_eq!(reason(&piped.fails()), reason(&message));
    message
}

#[test]
fn streams_cut_short() {
    let whole = two_chunks();
    // Nothing at all; inside length, header and ciphertext of a chunk; between chunks; inside the
    // end chunk. The unit tests cut everywhere.
    let cuts = [0, 2, 20, 45, 88, 91, 130];
    let messages: Vec<String> = cuts
        .iter()
        .map(|&cut| {
            let authentic: &[u8] = match cut {
                ..45 => b"",
                45..91 => b"first",
                _ => b"firstsecond",
            };
            refused(&whole[..cut], authentic)
        })
        .collect();
    insta::assert_snapshot!(messages.concat());
}

#[test]
fn streams_altered() {
    let whole = two_chunks();
    let flipped = |at: usize, bit: u8| {
        let mut altered = whole.clone();
        altered[at] ^= 1 << bit;
        altered
    };
    let cases = [
        ("length of chunk 0, low bit", flipped(0, 0), &b""[..]),
        ("length of chunk 0, high bit", flipped(3, 7), b""),
        ("header of chunk 0", flipped(10, 3), b""),
        ("ciphertext of chunk 0", flipped(44, 0), b""),
        ("length of chunk 1, low bit", flipped(45, 0), b"first"),
        ("length of chunk 1, high bit", flipped(48, 7), b"first"),
        ("header of chunk 1", flipped(60, 1), b"first"),
        ("ciphertext of chunk 1", flipped(90, 7), b"first"),
        ("length of the end chunk", flipped(91, 0), b"firstsecond"),
        ("header of the end chunk", flipped(130, 0), b"firstsecond"),
        (
            "chunks swapped",
            [&whole[45..91], &whole[..45], &whole[91..]].concat(),
            b"",
        ),
        (
            "chunk 1 missing",
            [&whole[..45], &whole[91..]].concat(),
            b"first",
        ),
        ("a byte added", [&whole[..], b"\n"].concat(), b"firstsecond"),
        (
            "another stream added",
            [&whole[..], &whole[..]].concat(),
            b"firstsecond",
        ),
        ("no stream at all", b"From: someone\n".repeat(9), b""),
    ];
    let mut messages = String::new();
    for (what, stream, authentic) in cases {
        messages += &format!("{what}:\n    {}", refused(&stream, authentic));
    }
    insta::assert_snapshot!(messages);
}

#[test]
fn upstreams_streams_under_a_wrong_passphrase() {
    for name in ["hello.encpipe", "empty.encpipe"] {
        let desk = Desk::new();
        desk.write("in", &vector(name));
        desk.write("pass", b"another\n");
        let before = desk.names();
        let run = desk.run(&["-d", "-P", "pass", "-i", "in", "-o", "out"]);
        insta::allow_duplicates! {
            insta::assert_snapshot!(run.fails(), @"encpipe: decrypting in to out (nothing was written): Unable to decrypt chunk 0: wrong passphrase? (or the stream was altered in its first chunk, or is no encpipe stream)");
        }
        assert_eq!(desk.names(), before);
    }
}

#[test]
fn a_file_that_is_there_stays_as_it_was() {
    let desk = Desk::new();
    desk.write("in", &two_chunks()[..91]);
    desk.write("out", b"old");
    desk.run(&["-d", "-P", "pass", "-i", "in", "-o", "out"])
        .fails();
    assert_eq!(desk.read("out"), b"old");
    assert_eq!(desk.names(), ["in", "out", "pass"]);
}

#[test]
fn killed_half_way_it_leaves_a_dotted_name_at_most() {
    let desk = Desk::new();
    let mut child = Command::new(PROGRAM)
        .args(["-d", "-P", "pass", "-o", "out"])
        .current_dir(desk.path(""))
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    // Two chunks are written, the end never comes.
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&two_chunks()[..91]).unwrap();
    let written = || {
        desk.names()
            .iter()
            .any(|n| n.starts_with('.') && desk.read(n) == b"firstsecond")
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    while !written() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    let was_written = written();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(was_written, "found only {:?}", desk.names());
    let visible: Vec<String> = desk.names();
    let visible: Vec<&String> = visible.iter().filter(|n| !n.starts_with('.')).collect();
    assert_eq!(visible, ["pass"]);
}

#[test]
fn files_that_would_be_destroyed_or_cannot_be_used() {
    let desk = Desk::new();
    desk.write("plain", b"text");
    desk.write("blank", b" \r\n\n");
    fs::create_dir(desk.path("folder")).unwrap();
    fs::hard_link(desk.path("plain"), desk.path("hardlink")).unwrap();
    symlink("plain", desk.path("symlink")).unwrap();
    symlink("nowhere", desk.path("dangling")).unwrap();
    let before = desk.names();
    let mut messages = String::new();
    for args in [
        // the same file
        "-e -P pass -i plain -o plain",
        "-e -P pass -i plain -o hardlink",
        "-e -P pass -i symlink -o ./plain",
        "-e -P pass -i plain -o pass",
        // no file to write
        "-e -P pass -i plain -o folder",
        "-e -P pass -i plain -o new/",
        "-e -P pass -i plain -o missing/out",
        "-e -P pass -i plain -o plain/out",
        "-e -P pass -i plain -o dangling",
        // no file to read
        "-e -P pass -i missing -o out",
        "-e -P pass -i folder -o out",
        "-e -P missing -i plain -o out",
        "-e -P folder -i plain -o out",
        // no passphrase
        "-e -P blank -i plain -o out",
        "-e -P /dev/null -i plain -o out",
        "-e --pass= -i plain -o out",
        "-e -P - -o out",
        "-e -P - -i - -o out",
    ] {
        let args_list: Vec<&str> = args.split(' ').collect();
        messages += &format!("encpipe {args}\n    {}", desk.run(&args_list).fails());
    }
    insta::assert_snapshot!(messages);
    assert_eq!(desk.names(), before);
    assert_eq!(desk.read("plain"), b"text");
    assert_eq!(desk.read("pass"), format!("{PASS}\n").as_bytes());
}

#[test]
fn standard_output_redirected_to_the_input() {
    let desk = Desk::new();
    desk.write("plain", b"text");
    // Appending, it would read what it wrote for ever: the limit ends that, should it happen.
    let run = desk.shell(&format!(
        "ulimit -f 64; {PROGRAM} -e -P pass < plain >> plain"
    ));
    insta::assert_snapshot!(run.fails(), @"encpipe: the output is the same file as the input: choose another name for it");
    assert_eq!(desk.read("plain"), b"text");
}

#[test]
fn terminals() {
    let desk = Desk::new();
    // script gives it a terminal on both sides; its status is that of the command.
    let run = desk.shell(&format!(
        "script -qec '{PROGRAM} -e -P pass -i pass' /dev/null"
    ));
    assert_eq!(run.status, Some(1));
    let said = String::from_utf8(run.stdout).unwrap();
    insta::assert_snapshot!(said.trim_end(), @"encpipe: an encrypted stream is nothing for a terminal: use -o FILE or > FILE");
    let run = desk.shell(&format!(
        "script -qec '{PROGRAM} -d -P pass -o out' /dev/null"
    ));
    assert_eq!(run.status, Some(1));
    let said = String::from_utf8(run.stdout).unwrap();
    insta::assert_snapshot!(said.trim_end(), @"encpipe: an encrypted stream cannot be typed: give it with -i FILE or < FILE");
    assert_eq!(desk.names(), ["pass"]);
}

#[test]
fn a_full_disk() {
    let desk = Desk::new();
    desk.write("plain", b"text");
    let run = desk.run(&["-e", "-P", "pass", "-i", "plain", "-o", "/dev/full"]);
    insta::assert_snapshot!(run.fails(), @"encpipe: encrypting plain to /dev/full (discard what came out): writing the encrypted stream: No space left on device (os error 28)");
    desk.write("stream", &vector("hello.encpipe"));
    let run = desk.shell(&format!("{PROGRAM} -d -P pass -i stream > /dev/full"));
    insta::assert_snapshot!(run.fails(), @"encpipe: decrypting stream to standard output (discard what came out): writing the plaintext: No space left on device (os error 28)");
    let run = desk.shell(&format!("{PROGRAM} -G > /dev/full"));
    insta::assert_snapshot!(run.fails(), @"encpipe: writing the passphrase to standard output: No space left on device (os error 28)");
}

#[test]
fn command_lines_that_make_no_sense() {
    let desk = Desk::new();
    let mut messages = String::new();
    for args in [
        "",
        "-e",
        "-d -i in",
        "-P pass",
        "-e -d -P pass",
        "-e -p x -P pass",
        "-G -e -P pass",
        "-G -o out",
        "-e -P pass more",
        "-e -P",
        "--frobnicate",
    ] {
        let args_list: Vec<&str> = args.split_whitespace().collect();
        messages += &format!("encpipe {args}\n{}\n", desk.run(&args_list).fails());
    }
    insta::assert_snapshot!(messages);
    assert_eq!(desk.names(), ["pass"]);
}
