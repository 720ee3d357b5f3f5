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

/// Hands in as many messages at once, each of `blocks` times the block; smtpd's processes stay small.
fn pass(senders: usize, block: &[u8], blocks: usize) -> Server {
    let server = Server::start("");
    let mut clients: Vec<Client> = (0..senders)
        .map(|_| Client::connect(server.filtered))
        .collect();
    clients.iter_mut().for_each(Client::begin);
    let senders: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            let block = block.to_vec();
            thread::spawn(move || {
                client.send(b"Subject: large\r\n\r\n");
                for _ in 0..blocks {
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
        println!("{process} had {peak} KiB");
        assert!(peak < BOUND, "{process} had {peak} KiB");
    }
    server
}

/// The messages are in the queue, each with all its lines.
fn assert_whole(server: &Server, messages: usize, line: &str, lines: usize) {
    let queue = server.queue();
    assert_eq!(queue.len(), messages);
    for path in queue {
        let text = fs::read_to_string(&path).unwrap();
        let (_, body) = text.split_once("\n\n").unwrap();
        assert_eq!(body.lines().filter(|l| *l == line).count(), lines);
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn large_messages_wait_for_a_filter_that_is_slower() {
    let server = pass(3, &LINE.repeat(1000), LINES / 1000);
    let line = std::str::from_utf8(LINE).unwrap().trim_end();
    assert_whole(&server, 3, line, LINES);
}

#[test]
fn empty_lines_of_many_wait_too() {
    // on its way to the filter each takes forty times as much
    let server = pass(20, &b"\r\n".repeat(1000), 60);
    assert_whole(&server, 20, "", 60_000);
}
