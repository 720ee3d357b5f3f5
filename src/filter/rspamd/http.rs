//! Reading an HTTP/1.1 answer, no larger than it may be and no shorter than it says.

use std::io::Read;

use super::connection;
use crate::filter::doubt::Doubt;

/// The largest status line and header section taken.
const MAX_HEAD: usize = 64 * 1024;
/// The largest body taken: a verdict is a few kilobytes; one with a thousand links a few hundred.
const MAX_BODY: usize = 4 * 1024 * 1024;

/// An answer, complete.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    status: u16,
    body: Vec<u8>,
}

impl Answer {
    /// The body of a good answer.
    pub(super) fn body(self) -> Result<Vec<u8>, Doubt> {
        match self.status {
            200 => Ok(self.body),
            413 => Err(Doubt::TooLarge),
            status => Err(Doubt::Status(status)),
        }
    }
}

/// How the end of the body is told (RFC 9112, section 6.3).
#[derive(Debug)]
enum Framing {
    Length(usize),
    Chunked,
    Close,
}

/// Reads one answer to its end.
pub(super) fn read(stream: &mut impl Read) -> Result<Answer, Doubt> {
    let mut input = Vec::new();
    let (status, framing, head) = loop {
        if let Some(head) = parse_head(&input)? {
            break head;
        }
        if input.len() > MAX_HEAD {
            return Err(Doubt::Http("its header is too large".to_owned()));
        }
        if more(stream, &mut input)? == 0 {
            return Err(if input.is_empty() {
                connection::unanswered(std::io::ErrorKind::UnexpectedEof.into())
            } else {
                Doubt::Http("it ends in its header".to_owned())
            });
        }
    };
    let mut body = input.split_off(head);
    let cut = || Doubt::Http("it ends before its body does".to_owned());
    let body = match framing {
        Framing::Length(length) if length > MAX_BODY => return Err(too_large()),
        Framing::Length(length) => {
            while body.len() < length {
                if more(stream, &mut body)? == 0 {
                    return Err(cut());
                }
            }
            body.truncate(length);
            body
        }
        Framing::Chunked => loop {
            if let Some(body) = dechunk(&body)? {
                break body;
            }
            check_size(&body)?;
            if more(stream, &mut body)? == 0 {
                return Err(cut());
            }
        },
        Framing::Close => {
            while more(stream, &mut body)? > 0 {
                check_size(&body)?;
            }
            body
        }
    };
    Ok(Answer { status, body })
}

fn too_large() -> Doubt {
    Doubt::Http("its body is too large".to_owned())
}

fn check_size(body: &[u8]) -> Result<(), Doubt> {
    if body.len() > MAX_BODY {
        return Err(too_large());
    }
    Ok(())
}

fn more(stream: &mut impl Read, into: &mut Vec<u8>) -> Result<usize, Doubt> {
    let mut buffer = [0; 16 * 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(n) => {
                into.extend_from_slice(&buffer[..n]);
                return Ok(n);
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(connection::unanswered(e)),
        }
    }
}

/// Status, framing and length of the head, once it is complete.
fn parse_head(input: &[u8]) -> Result<Option<(u16, Framing, usize)>, Doubt> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let length = match response.parse(input) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(e) => return Err(Doubt::Http(e.to_string())),
    };
    let status = response.code.unwrap_or_default();
    let mut framing = Framing::Close;
    for header in response.headers.iter() {
        let name = header.name.to_ascii_lowercase();
        let value = String::from_utf8_lossy(header.value).trim().to_owned();
        let refuse = || Doubt::Http(format!("it has the field {}: {value}", header.name));
        match name.as_str() {
            "transfer-encoding" if value.eq_ignore_ascii_case("chunked") => {
                framing = Framing::Chunked;
            }
            // a body in another coding, or with a rewritten message behind the verdict
            "transfer-encoding" | "content-encoding" | "message-offset" | "compression" => {
                return Err(refuse());
            }
            "content-length" if !matches!(framing, Framing::Chunked) => {
                framing = Framing::Length(value.parse().map_err(|_| refuse())?);
            }
            _ => {}
        }
    }
    Ok(Some((status, framing, length)))
}

/// The body of a chunked answer, once its last chunk is there.
fn dechunk(mut input: &[u8]) -> Result<Option<Vec<u8>>, Doubt> {
    let bad = || Doubt::Http("its chunks are malformed".to_owned());
    let mut body = Vec::new();
    loop {
        let (used, size) = match httparse::parse_chunk_size(input).map_err(|_| bad())? {
            httparse::Status::Complete(found) => found,
            httparse::Status::Partial => return Ok(None),
        };
        if size == 0 {
            return Ok(Some(body));
        }
        let size = usize::try_from(size).map_err(|_| bad())?;
        if size > MAX_BODY {
            return Err(too_large());
        }
        input = &input[used..];
        if input.len() < size + 2 {
            return Ok(None);
        }
        body.extend_from_slice(&input[..size]);
        check_size(&body)?;
        input = input[size..].strip_prefix(b"\r\n").ok_or_else(bad)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> String {
        match read(&mut text.as_bytes()).and_then(Answer::body) {
            Ok(body) => format!("body: {}", String::from_utf8_lossy(&body)),
            Err(doubt) => doubt.to_string(),
        }
    }

    #[test]
    fn bodies_by_length_chunks_and_end() {
        let ok = "HTTP/1.1 200 OK\r\n";
        assert_eq!(
            answer(&format!("{ok}Content-Length: 2\r\n\r\n{{}}x")),
            "body: {}"
        );
        assert_eq!(answer(&format!("{ok}\r\n{{}}")), "body: {}");
        let chunks = "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1;x=y\r\n}\r\n0\r\n\r\n";
        assert_eq!(answer(&format!("{ok}{chunks}")), "body: {}");
    }

    #[test]
    fn what_is_wrong_is_said() {
        let ok = "HTTP/1.1 200 OK\r\n";
        let answers = [
            String::new(),
            "hello there\r\n\r\n".to_owned(),
            "HTTP/1.1 200 OK\r\nContent-".to_owned(),
            "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n".to_owned(),
            "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n".to_owned(),
            format!("{ok}Content-Length: 3\r\n\r\n{{}}"),
            format!("{ok}Content-Length: 5000000\r\n\r\n"),
            format!("{ok}Content-Length: -1\r\n\r\n"),
            format!("{ok}Content-Encoding: zstd\r\nContent-Length: 0\r\n\r\n"),
            format!("{ok}Transfer-Encoding: gzip, chunked\r\n\r\n"),
            format!("{ok}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n"),
            format!("{ok}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}xx0\r\n\r\n"),
            format!("{ok}Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"),
            format!("{ok}\r\n{}", "x".repeat(MAX_BODY + 1)),
            format!("{ok}X: {}\r\n\r\n", "x".repeat(MAX_HEAD + 20_000)),
        ];
        insta::assert_snapshot!(answers.map(|a| answer(&a)).join("\n"), @r"
        rspamd went away while its answer was awaited: unexpected end of file
        rspamd's answer is malformed: invalid HTTP version
        rspamd's answer is malformed: it ends in its header
        rspamd answered with HTTP status 503
        the message is larger than rspamd takes
        rspamd's answer is malformed: it ends before its body does
        rspamd's answer is malformed: its body is too large
        rspamd's answer is malformed: it has the field Content-Length: -1
        rspamd's answer is malformed: it has the field Content-Encoding: zstd
        rspamd's answer is malformed: it has the field Transfer-Encoding: gzip, chunked
        rspamd's answer is malformed: it ends before its body does
        rspamd's answer is malformed: its chunks are malformed
        rspamd's answer is malformed: its body is too large
        rspamd's answer is malformed: its body is too large
        rspamd's answer is malformed: its header is too large
        ");
    }
}
