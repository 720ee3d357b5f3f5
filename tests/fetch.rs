//! Answers from a web server on loopback, by the code that the agent has for it.

// clippy.toml allows it in tests, but takes only functions marked #[test] for such
#![allow(clippy::unwrap_used)]

#[path = "world/web.rs"]
mod web;

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, TcpListener},
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use ezmail::{
    agent::discover::{
        fetch::{Fetcher, Limits},
        web::AnswersUrl,
    },
    util::hash::sha256,
};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use regex::Regex;
use tempfile::TempDir;

use web::Web;

const ANSWERS: &str = "hostname = \"mail.example.org\"\n";
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Long for what works, short for what does not.
const LIMITS: Limits = Limits {
    total: Duration::from_secs(20),
    attempt: Duration::from_secs(10),
    connect: Duration::from_secs(5),
    pause: Duration::from_millis(50),
};
const SHORT: Limits = Limits {
    total: Duration::from_secs(3),
    attempt: Duration::from_secs(1),
    ..LIMITS
};

/// A folder with answers, a file that is too large, and a server's certificate and key.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self::certified_until(2049)
    }

    fn certified_until(year: i32) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let mut params = CertificateParams::new(vec![LOOPBACK.to_string()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        fs::write(folder.path("cert.pem"), certificate.pem()).unwrap();
        fs::write(folder.path("key.pem"), key.serialize_pem()).unwrap();
        fs::write(folder.path("answers.toml"), ANSWERS).unwrap();
        fs::write(folder.path("large"), vec![b'#'; (1 << 20) + 1]).unwrap();
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn http(&self) -> Web {
        Web::start(None, self.0.path(), LOOPBACK, None).unwrap()
    }

    fn https(&self) -> Web {
        let tls = ["cert.pem", "key.pem"].map(|name| self.path(name));
        Web::start(None, self.0.path(), LOOPBACK, Some(tls)).unwrap()
    }

    /// Fetches from our servers, whose certificate is trusted, and collects what was said.
    fn fetch(
        &self,
        url: &str,
        sha256: Option<&str>,
        limits: Limits,
    ) -> (Result<String>, Vec<String>) {
        let url = AnswersUrl::new(url, sha256).unwrap();
        let trusted = self.path("cert.pem");
        fetch(Fetcher::new(&url, limits).trusting(&trusted))
    }

    fn refused(&self, url: &str, sha256: Option<&str>, limits: Limits) -> String {
        plain(&format!(
            "{:#}",
            self.fetch(url, sha256, limits).0.unwrap_err()
        ))
    }
}

fn fetch(fetcher: Fetcher<'_>) -> (Result<String>, Vec<String>) {
    let mut said = Vec::new();
    let result = fetcher.fetch(|| Ok(None), |line| said.push(plain(line)));
    let text = result.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
    (text, said)
}

/// Without what differs from run to run, and from one curl to the next.
fn plain(text: &str) -> String {
    let text = Regex::new(r"127\.0\.0\.1:\d+")
        .unwrap()
        .replace_all(text, "SERVER");
    let text = Regex::new(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
        .unwrap()
        .replace_all(&text, "NOW");
    Regex::new(r" \([^)]*\)")
        .unwrap()
        .replace_all(&text, " (...)")
        .into_owned()
}

#[test]
fn https_with_a_trusted_certificate() {
    let folder = Folder::new();
    let server = folder.https();
    let sum = sha256(ANSWERS).to_uppercase();
    for sum in [None, Some(sum.as_str())] {
        let (text, said) = folder.fetch(&server.url(None, "answers.toml"), sum, LIMITS);
        assert_eq!(text.unwrap(), ANSWERS);
        assert!(said.is_empty(), "{said:?}");
    }
    let away = server.url(
        None,
        &format!("redirect/{}", server.url(None, "answers.toml")),
    );
    assert_eq!(folder.fetch(&away, None, LIMITS).0.unwrap(), ANSWERS);
}

#[test]
fn https_with_a_certificate_that_nobody_vouches_for() {
    let folder = Folder::new();
    let server = folder.https();
    let url = AnswersUrl::new(&server.url(None, "answers.toml"), None).unwrap();
    let (result, said) = fetch(Fetcher::new(&url, LIMITS));
    insta::assert_snapshot!(plain(&result.unwrap_err().to_string()), @"the answers could not be fetched from https://SERVER/answers.toml: the server's certificate is not trusted (...); it has to be one of a public authority, or use http:// with ezmail.answers.sha256=");
    assert!(said.is_empty() && server.asked().is_empty(), "{said:?}");
}

#[test]
fn a_certificate_that_is_too_old_is_tried_again_and_names_the_clock() {
    let folder = Folder::certified_until(2021);
    let server = folder.https();
    let url = server.url(None, "answers.toml");
    let (result, said) = folder.fetch(&url, None, SHORT);
    insta::assert_snapshot!(plain(&result.unwrap_err().to_string()), @"the answers could not be fetched from https://SERVER/answers.toml within 3 s: the server's certificate is not valid by this machine's clock, NOW UTC (...); is the clock right?");
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(server.asked().is_empty());
}

#[test]
fn http_with_the_right_and_the_wrong_checksum() {
    let folder = Folder::new();
    let server = folder.http();
    let url = server.url(None, "answers.toml?token=hunter2");
    assert_eq!(
        folder
            .fetch(&url, Some(&sha256(ANSWERS)), LIMITS)
            .0
            .unwrap(),
        ANSWERS
    );
    let other = sha256("other\n");
    insta::assert_snapshot!(folder.refused(&url, Some(&other), LIMITS), @"the answers from http://SERVER/answers.toml are not those of the kernel command line: their SHA-256 is facc1ae1e88016a1257409e5b04fa674c21847e509371988fe5449b8384e2708, and ezmail.answers.sha256= has 7e4fa2eb8c7ac089739d5defc4489fad68a100d92082ca35c6b40a4524821f87; were they changed since?");
    // a wrong file is no trouble that passes
    assert_eq!(server.asked().len(), 2);
}

#[test]
fn from_https_no_redirect_leads_to_http() {
    let folder = Folder::new();
    let (secure, plain) = (folder.https(), folder.http());
    let away = |from: &Web, to: &Web| {
        from.url(None, &format!("redirect/{}", to.url(None, "answers.toml")))
    };
    let sum = sha256(ANSWERS);
    for sum in [None, Some(sum.as_str())] {
        let text = folder.refused(&away(&secure, &plain), sum, LIMITS);
        insta::allow_duplicates! { insta::assert_snapshot!(text, @"the answers could not be fetched from https://SERVER/redirect/http://SERVER/answers.toml: the server sends to a protocol that is not allowed (...); https leads only to https, and http to both"); }
    }
    assert!(plain.asked().is_empty());
    let up = folder.fetch(&away(&plain, &secure), Some(&sum), LIMITS);
    assert_eq!(up.0.unwrap(), ANSWERS);
}

#[test]
fn what_is_not_there_or_too_large_is_not_tried_again() {
    let folder = Folder::new();
    let server = folder.https();
    let paths = ["none", "large", "stream"];
    let texts = paths.map(|path| folder.refused(&server.url(None, path), None, LIMITS));
    insta::assert_snapshot!(texts.join("\n"), @r"
    the answers could not be fetched from https://SERVER/none: the server answers with HTTP status 404; is the path right?
    the answers could not be fetched from https://SERVER/large: there are more than 1 MiB: is it an answers file?
    the answers could not be fetched from https://SERVER/stream: there are more than 1 MiB: is it an answers file?
    ");
    assert_eq!(server.asked(), ["/none", "/large", "/stream"]);
}

#[test]
fn a_busy_server_is_asked_again() {
    let folder = Folder::new();
    let server = folder.https();
    let url = server.url(None, "busy/answers.toml");
    let (text, said) = folder.fetch(&url, None, LIMITS);
    assert_eq!(text.unwrap(), ANSWERS);
    insta::assert_snapshot!(said.join("\n"), @"the server answers with HTTP status 503");
}

#[test]
fn each_trouble_is_told_once_and_the_last_in_the_end() {
    let folder = Folder::new();
    let free = TcpListener::bind((LOOPBACK, 0)).unwrap();
    let url = format!("https://{}/x", free.local_addr().unwrap());
    drop(free);
    let (result, said) = folder.fetch(&url, None, SHORT);
    insta::assert_snapshot!(plain(&result.unwrap_err().to_string()), @"the answers could not be fetched from https://SERVER/x within 3 s: no connection to the server (...); does it run there, and is the port right?");
    insta::assert_snapshot!(said.join("\n"), @"no connection to the server (...)");
}

#[test]
fn the_network_is_waited_for() {
    let folder = Folder::new();
    let server = folder.https();
    let url = AnswersUrl::new(&server.url(None, "answers.toml"), None).unwrap();
    let trusted = folder.path("cert.pem");
    let fetcher = Fetcher::new(&url, LIMITS).trusting(&trusted);
    let (mut calls, mut said) = (0, Vec::new());
    let missing = || {
        calls += 1;
        Ok((calls < 4).then(|| "no address yet".to_owned()))
    };
    let bytes = fetcher.fetch(missing, |line| said.push(line.to_owned()));
    assert_eq!(&bytes.unwrap()[..], ANSWERS.as_bytes());
    assert_eq!((calls, said), (4, vec!["no address yet".to_owned()]));
    let never = || Ok(Some("no address yet".to_owned()));
    let fetcher = Fetcher::new(&url, SHORT);
    let error = fetcher.fetch(never, |_| {}).unwrap_err().to_string();
    insta::assert_snapshot!(plain(&error), @"the answers could not be fetched from https://SERVER/answers.toml within 3 s: no address yet; is the network card connected? Without DHCP, give the addresses with ip= and nameserver= on the kernel command line (...)");
}

#[test]
fn a_server_that_hangs_is_left_and_no_process_list_has_the_url() {
    let folder = Folder::new();
    let server = folder.https();
    let url = server
        .url(None, "hang?hunter2-token")
        .replace("https://", "https://me:hunter2-password@");
    let started = Instant::now();
    let text = thread::scope(|scope| {
        let fetching = scope.spawn(|| folder.refused(&url, None, SHORT));
        let mut seen = false;
        while !fetching.is_finished() {
            for line in process_list() {
                assert!(!line.contains("hunter2"), "{line}");
                seen |= line.starts_with("curl ");
            }
            thread::sleep(Duration::from_millis(50));
        }
        assert!(seen, "no curl was seen: this shows nothing");
        fetching.join().unwrap()
    });
    assert!(started.elapsed() < Duration::from_secs(10));
    insta::assert_snapshot!(text, @"the answers could not be fetched from https://SERVER/hang within 3 s: the server takes too long (...); is it reached from this machine's network?");
}

/// The command lines of all processes.
fn process_list() -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().map(|e| e.unwrap().path());
    // one that has ended since has none
    let lines = processes.filter_map(|path| fs::read_to_string(path.join("cmdline")).ok());
    lines.map(|line| line.replace('\0', " ")).collect()
}
