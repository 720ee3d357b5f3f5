//! What a message costs in memory while it passes: buffers, not itself.

use std::{fs, thread};

use crate::{client::Client, server::Server};

const LINE: &[u8] = b"one of many lines, each as long as this one and as empty of sense as it\r\n";
/// About 20 MB.
const LINES: usize = 280_000;
/// In KiB; a process of smtpd's has 10 MB when it starts.
const BOUND: u64 = 40 * 1024;

/// The most memory that a process has ever had, in KiB.
fn peak(server: &Server, process: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.process(process))).unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn large_messages_wait_for_a_filter_that_is_slower() {
    let server = Server::start("");
    let port = server.filtered;
    let senders: Vec<_> = (0..3)
        .map(|_| {
            thread::spawn(move || {
                let mut client = Client::connect(port);
                client.begin();
                client.send(b"Subject: large\r\n\r\n");
                let block = LINE.repeat(1000);
                for _ in 0..LINES / 1000 {
                    client.send(&block);
                }
                client.patiently(b".\r\n")
            })
        })
        .collect();
    for sender in senders {
        let reply = sender.join().unwrap();
        assert!(reply.starts_with("250 "), "{reply}");
    }
    for process in ["lookup", "dispatcher"] {
        let peak = peak(&server, process);
        assert!(peak < BOUND, "{process} had {peak} KiB");
    }
    // whole they are, each
    let queue = server.queue();
    assert_eq!(queue.len(), 3);
    for path in queue {
        let text = fs::read_to_string(&path).unwrap();
        let line = std::str::from_utf8(LINE).unwrap().trim_end();
        assert_eq!(text.lines().filter(|l| *l == line).count(), LINES);
        fs::remove_file(path).unwrap();
    }
}
