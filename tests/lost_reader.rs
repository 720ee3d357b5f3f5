//! `ezmail` with nobody at the other end of its output: no panic, whose exit status is 101, and a result
//! that is lost is a failure that standard error tells of.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    fs::File,
    process::{Command, Output, Stdio},
};

/// A file that every write to fails, as on a full disk.
fn full() -> Stdio {
    File::options()
        .write(true)
        .open("/dev/full")
        .unwrap()
        .into()
}

/// A pipe that nobody reads.
fn broken() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

fn ezmail(words: &[&str], out: Stdio, err: Stdio) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ezmail"))
        .args(words)
        .env("EZMAIL_CACHE", "/nonexistent/cache")
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .spawn()
        .unwrap()
        .wait_with_output()
        .unwrap()
}

#[test]
fn a_result_that_nobody_gets_is_a_failure_that_is_told() {
    for words in [
        &["doctor"][..],
        &["doctor", "--json"],
        &["cache"],
        &["cache", "--json"],
        &["clean"],
    ] {
        for (out, why) in [(full(), "No space left"), (broken(), "Broken pipe")] {
            let output = ezmail(words, out, Stdio::piped());
            assert_eq!(output.status.code(), Some(1), "{words:?}");
            let text = String::from_utf8(output.stderr).unwrap();
            let expected = "ezmail: writing the result to standard output: ";
            assert!(text.starts_with(expected) && text.contains(why), "{text}");
        }
    }
}

#[test]
fn an_error_that_nobody_reads_is_still_one() {
    for words in [
        &["update", "--locked"][..],
        &["update", "--locked", "--json"],
    ] {
        for (out, err) in [(full(), full()), (broken(), broken())] {
            let output = ezmail(words, out, err);
            assert_eq!(output.status.code(), Some(1), "{words:?}");
        }
    }
}
