//! How far a step is: by what its tool wrote last, and by the size of the file that it makes.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::Mutex,
};

use crate::util::size::size;

/// How much of a log is looked at for its last line.
const TAIL: u64 = 4096;

/// How far a step is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Detail {
    /// Of 100.
    pub percent: Option<u8>,
    /// Written so far.
    pub bytes: Option<u64>,
    /// What the tool said last.
    pub line: Option<String>,
}

impl Detail {
    /// In a few characters: `64 %` or `112.4 MB`.
    pub fn far(&self) -> Option<String> {
        self.percent
            .map(|percent| format!("{percent} %"))
            .or_else(|| self.bytes.map(size))
    }
}

/// Where it is seen how far a step is.
#[derive(Debug)]
pub struct Sources {
    log: Option<(PathBuf, u64)>,
    file: Mutex<Option<(PathBuf, Option<u64>)>>,
}

impl Sources {
    /// `log` is what the step's tools append to.
    pub fn new(log: Option<&Path>) -> Self {
        // what an earlier step wrote there is not this one's
        let start = |path: &Path| path.metadata().map_or(0, |m| m.len());
        Self {
            log: log.map(|path| (path.to_owned(), start(path))),
            file: Mutex::new(None),
        }
    }

    /// `file` grows to `total` bytes.
    pub fn watch(&self, file: &Path, total: Option<u64>) {
        if let Ok(mut watched) = self.file.lock() {
            *watched = Some((file.to_owned(), total));
        }
    }

    /// How far it is now; what cannot be read is not known.
    pub fn now(&self) -> Detail {
        let line = self
            .log
            .as_ref()
            .and_then(|(path, start)| last_line(&tail(path, *start)?));
        let mut detail = Detail {
            percent: line.as_deref().and_then(percent),
            bytes: None,
            line,
        };
        let watched = self.file.lock().ok().and_then(|f| f.clone());
        if let Some((path, total)) = watched
            && let Ok(metadata) = path.metadata()
        {
            // some tools make their file at once and fill it at the end
            detail.bytes = Some(metadata.len()).filter(|n| *n > 0);
            if let Some(total) = total.filter(|t| *t > 0) {
                let percent = (metadata.len() * 100 / total).min(99);
                detail.percent = u8::try_from(percent).ok();
            }
        }
        detail
    }
}

fn tail(path: &Path, start: u64) -> Option<String> {
    let mut file = File::open(path).ok()?;
    let end = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(start.max(end.saturating_sub(TAIL))))
        .ok()?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The last line with something in it, without what would move the cursor. Command lines, which
/// the log has after `$ `, are not what a tool said.
fn last_line(text: &str) -> Option<String> {
    text.split(['\n', '\r'])
        .rev()
        .map(printable)
        .find(|line| !line.is_empty() && !line.starts_with("$ "))
}

fn printable(line: &str) -> String {
    let mut out = String::new();
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            // ESC [ ... letter
            if chars.next() == Some('[') {
                chars.by_ref().find(|c| ('@'..='~').contains(c));
            }
        } else if c == '\t' {
            out.push(' ');
        } else if !c.is_control() {
            out.push(c);
        }
    }
    out.trim().to_owned()
}

/// How far a tool is by what it says of itself: `[412/640]` of ninja, `[ 64%]` of make,
/// `(12/237)` of pacman.
fn percent(line: &str) -> Option<u8> {
    let inner = line
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
        .or_else(|| line.strip_prefix('(').and_then(|rest| rest.split_once(')')))?
        .0
        .trim();
    let percent = match inner.split_once('/') {
        Some((done, all)) => {
            let (done, all): (u64, u64) = (done.trim().parse().ok()?, all.trim().parse().ok()?);
            (all > 0 && done <= all).then(|| done * 100 / all)?
        }
        None => inner.strip_suffix('%')?.trim().parse().ok()?,
    };
    u8::try_from(percent).ok().filter(|p| *p <= 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_say_how_far_they_are() {
        assert_eq!(percent("[412/640] Building CXX object a.o"), Some(64));
        assert_eq!(percent("[ 27%] Building"), Some(27));
        assert_eq!(percent("( 12/237) installing glibc"), Some(5));
        for none in ["", "[x]", "[5/0]", "[300%]", "[7/3] x", "gcc -c a[1/2].c"] {
            assert_eq!(percent(none), None, "{none}");
        }
    }

    #[test]
    fn the_last_line_has_no_controls() {
        let text = "one\n\u{1b}[32mtwo\u{1b}[0m\tx\r\n\n$ gcc -c\n";
        assert_eq!(last_line(text).unwrap(), "two x");
        assert_eq!(last_line("$ gcc\n"), None);
    }

    #[test]
    fn a_files_size_tells_more_than_words() {
        let dir = tempfile::tempdir().unwrap();
        let (log, file) = (dir.path().join("log"), dir.path().join("file"));
        std::fs::write(&log, "[99/100] of an earlier step\n").unwrap();
        let sources = Sources::new(Some(&log));
        assert_eq!(sources.now(), Detail::default());
        sources.watch(&file, Some(200));
        assert_eq!(sources.now(), Detail::default());
        std::fs::write(&file, [0; 50]).unwrap();
        assert_eq!(sources.now().far().unwrap(), "25 %");
        sources.watch(&file, None);
        assert_eq!(sources.now().far().unwrap(), "50 B");
    }
}
