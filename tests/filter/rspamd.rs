//! A fake rspamd on a unix socket: takes one message a connection and does with it what the
//! test says, including everything it should not.

use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

/// What to do with the next connections.
#[derive(Debug, Clone)]
pub enum Behaviour {
    /// Read the message, answer 200 with this JSON.
    Json(String),
    /// Read the message, answer with these bytes and close.
    Raw(Vec<u8>),
    /// As `Json`, in chunks.
    Chunked(String),
    /// Close at once.
    Close,
    /// Read so many bytes and close.
    CloseAfter(usize),
    /// Read the message and never answer.
    Silent,
    /// Never read anything, never answer.
    Deaf,
    /// Answer 200 with this JSON without reading anything, and stay.
    Early(String),
    /// Answer with these bytes without reading anything, and close.
    EarlyClose(Vec<u8>),
    /// Read the message, then answer one byte every 50 ms.
    Drip(String),
    /// Read the message, then answer without an end.
    Endless,
}

/// One message as it arrived.
#[derive(Debug, Clone)]
pub struct Request {
    pub head: String,
    pub body: Vec<u8>,
}

pub struct Rspamd {
    path: PathBuf,
    behaviour: Arc<Mutex<Behaviour>>,
    requests: mpsc::Receiver<Request>,
    /// Keeps connections open that must neither be read nor closed.
    held: Arc<Mutex<Vec<UnixStream>>>,
}

impl Rspamd {
    pub fn start(path: &Path) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let behaviour = Arc::new(Mutex::new(Behaviour::Close));
        let held = Arc::new(Mutex::new(Vec::new()));
        let (send, requests) = mpsc::channel();
        let (for_thread, hold) = (Arc::clone(&behaviour), Arc::clone(&held));
        // ends with the test's process
        thread::spawn(move || {
            for stream in listener.incoming() {
                let behaviour = for_thread.lock().unwrap().clone();
                let (send, hold) = (send.clone(), Arc::clone(&hold));
                thread::spawn(move || {
                    // a filter that hangs up on us is what some tests want
                    drop(serve(stream.unwrap(), behaviour, &send, &hold));
                });
            }
        });
        Self {
            path: path.to_owned(),
            behaviour,
            requests,
            held,
        }
    }

    pub fn set(&self, behaviour: Behaviour) {
        *self.behaviour.lock().unwrap() = behaviour;
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The next message that arrived whole.
    pub fn request(&self) -> Request {
        self.requests
            .recv_timeout(Duration::from_secs(60))
            .expect("no message reached rspamd")
    }

    /// Whether a message arrived that nobody has asked for.
    pub fn has_request(&self) -> bool {
        self.requests.try_recv().is_ok()
    }

    /// Ends the connections that were held open.
    pub fn release(&self) {
        self.held.lock().unwrap().clear();
    }
}

fn serve(
    mut stream: UnixStream,
    behaviour: Behaviour,
    requests: &mpsc::Sender<Request>,
    held: &Mutex<Vec<UnixStream>>,
) -> std::io::Result<()> {
    let hold = |stream: &UnixStream| -> std::io::Result<()> {
        held.lock().unwrap().push(stream.try_clone()?);
        Ok(())
    };
    match &behaviour {
        Behaviour::Close => return Ok(()),
        Behaviour::CloseAfter(bytes) => {
            let mut some = vec![0; *bytes];
            return stream.read_exact(&mut some);
        }
        Behaviour::Deaf => return hold(&stream),
        Behaviour::Early(json) => {
            stream.write_all(&good(json))?;
            return hold(&stream);
        }
        Behaviour::EarlyClose(bytes) => return stream.write_all(bytes),
        _ => {}
    }
    let request = read_request(&stream)?;
    // the test may be over
    drop(requests.send(request));
    match behaviour {
        Behaviour::Json(json) => stream.write_all(&good(&json)),
        Behaviour::Raw(bytes) => stream.write_all(&bytes),
        Behaviour::Chunked(json) => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            for part in json.as_bytes().chunks(7) {
                write!(stream, "{:x}\r\n", part.len())?;
                stream.write_all(part)?;
                stream.write_all(b"\r\n")?;
            }
            stream.write_all(b"0\r\n\r\n")
        }
        Behaviour::Drip(json) => {
            for byte in good(&json) {
                stream.write_all(&[byte])?;
                thread::sleep(Duration::from_millis(50));
            }
            Ok(())
        }
        Behaviour::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
            loop {
                stream.write_all(&[b' '; 4096])?;
            }
        }
        _ => hold(&stream),
    }
}

fn good(json: &str) -> Vec<u8> {
    let length = json.len();
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{json}").into_bytes()
}

fn read_request(stream: &UnixStream) -> std::io::Result<Request> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    let length = head
        .lines()
        .find_map(|l| l.strip_prefix("Content-Length: "))
        .expect("a request without a length")
        .parse()
        .expect("a length that is no number");
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Request { head, body })
}
