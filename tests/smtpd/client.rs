//! A client that sends the bytes it is told to, right or wrong, and another server that receives.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

/// No answer takes longer than this.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A session with smtpd.
pub struct Client {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Client {
    /// Connects and reads the greeting.
    pub fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let reader = BufReader::new(stream.try_clone().unwrap());
        let mut client = Self { stream, reader };
        assert!(client.reply().starts_with("220 "));
        client
    }

    /// Sends these bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The last line of the next reply, without its end; empty where the session has ended.
    pub fn reply(&mut self) -> String {
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line).unwrap();
            if line.as_bytes().get(3) != Some(&b'-') {
                return line.trim_end().to_owned();
            }
        }
    }

    /// A command, and the reply to it.
    pub fn command(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n").as_bytes());
        self.reply()
    }

    /// Everything up to the text of a message.
    pub fn begin(&mut self) {
        for (line, code) in [
            ("EHLO client.example.net", "250"),
            ("MAIL FROM:<a@example.net>", "250"),
            ("RCPT TO:<b@example.org>", "250"),
            ("DATA", "354"),
        ] {
            let reply = self.command(line);
            assert!(reply.starts_with(code), "{line}: {reply}");
        }
    }

    /// Sends bytes and waits for the answer as long as a slow filter may take.
    pub fn patiently(&mut self, bytes: &[u8]) -> String {
        self.stream.set_read_timeout(Some(10 * PATIENCE)).unwrap();
        self.send(bytes);
        self.reply()
    }

    /// All that the server still says until it closes, having been told that we are done.
    pub fn rest(mut self) -> String {
        self.stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut rest = String::new();
        self.reader.read_to_string(&mut rest).unwrap();
        rest
    }
}

/// The next server, which takes all there is; each message comes as the bytes of its DATA.
pub struct Sink {
    messages: Receiver<Vec<u8>>,
}

impl Sink {
    /// Listens on a port that nobody listens on.
    pub fn start(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let (sender, messages) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, sender) = (stream.unwrap(), sender.clone());
                thread::spawn(move || receive(stream, &sender));
            }
        });
        Self { messages }
    }

    /// The next message.
    pub fn message(&self) -> Vec<u8> {
        self.messages.recv_timeout(PATIENCE).expect("no message")
    }
}

fn receive(mut stream: TcpStream, messages: &mpsc::Sender<Vec<u8>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    stream.write_all(b"220 sink\r\n").unwrap();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap() == 0 {
            return;
        }
        if line.trim_end() != "DATA" {
            stream.write_all(b"250 ok\r\n").unwrap();
            continue;
        }
        stream.write_all(b"354 go on\r\n").unwrap();
        let mut text = Vec::new();
        while !text.ends_with(b"\r\n.\r\n") {
            let mut byte = [0];
            reader.read_exact(&mut byte).unwrap();
            text.push(byte[0]);
        }
        messages.send(text).unwrap();
        stream.write_all(b"250 ok\r\n").unwrap();
    }
}
