//! What rspamd writes about each message it has judged.

use std::sync::LazyLock;

use regex::Regex;
use serde::Serialize;

/// A judgement.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// smtpd's number of the message.
    #[serde(skip)]
    pub message: String,
    /// Its Message-ID, without brackets; none if it has none.
    #[serde(skip)]
    pub message_id: Option<String>,
    /// Who sent it, in the envelope.
    #[serde(skip)]
    pub from: String,
    /// The recipients.
    #[serde(skip)]
    pub to: Vec<String>,
    /// The client's address.
    #[serde(skip)]
    pub ip: String,
    /// `no action`, `greylist`, `add header`, `reject`, `soft reject`.
    pub action: String,
    /// Its points.
    pub score: f64,
    /// The points at which a message is refused.
    pub limit: f64,
    /// The DKIM keys that signed it: domain and selector.
    pub signed: Vec<String>,
    /// What gave points, most first.
    pub symbols: Vec<Symbol>,
}

/// One reason of a judgement.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Symbol {
    /// Its name.
    pub name: String,
    /// Its points.
    pub score: f64,
}

/// `id: <ID>, qid: <N>, ip: I, from: <F>, (default: F (action): [S/L] [SYMBOLS]), ... rcpts: <A,B>`
static LINE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"id: <(?<id>[^>]*)>,(?: qid: <(?<qid>[0-9a-f]{8})>,)?(?: ip: (?<ip>[^,]+),)?(?: user: [^,]+,)?(?: smtp_from: <(?<sfrom>[^>]*)>,| from: <(?<from>[^>]*)>,)?.*\(\w+: \S \((?<action>[^)]+)\): \[(?<score>-?[0-9.]+)/(?<limit>-?[0-9.]+)\] \[(?<symbols>.*)\]\)",
    )
    .ok()
});
static RCPTS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r", (?:smtp_)?rcpts: <([^>]*)>").ok());
static SIGNED: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"DKIM_SIGNED\([^)]*\)\{([^}]*)\}").ok());
static SYMBOL: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?:^|,)([A-Z][A-Z0-9_]*)\((-?[0-9.]+)\)").ok());

/// The judgement of a line; none if it is another, or about no message of smtpd's.
pub fn parse(line: &str) -> Option<Verdict> {
    let found = LINE.as_ref()?.captures(line)?;
    let text = |name: &str| found.name(name).map_or("", |m| m.as_str());
    let symbols = SYMBOL.as_ref()?.captures_iter(text("symbols"));
    let mut symbols: Vec<Symbol> = symbols
        .filter_map(|s| {
            Some(Symbol {
                name: s[1].to_owned(),
                score: s[2].parse().ok()?,
            })
        })
        .filter(|s| s.score != 0.0)
        .collect();
    symbols.sort_by(|a, b| b.score.abs().total_cmp(&a.score.abs()));
    let rcpts = RCPTS.as_ref()?.captures(line);
    let rcpts = rcpts
        .as_ref()
        .map_or("", |r| r.get(1).map_or("", |m| m.as_str()));
    let signed = SIGNED.as_ref()?.captures(text("symbols"));
    let signed = signed
        .as_ref()
        .map_or("", |s| s.get(1).map_or("", |m| m.as_str()));
    let message = text("qid");
    if message.is_empty() {
        return None;
    }
    let from = if text("sfrom").is_empty() {
        text("from")
    } else {
        text("sfrom")
    };
    Some(Verdict {
        message: message.to_owned(),
        message_id: Some(text("id"))
            .filter(|id| !id.is_empty() && *id != "undef")
            .map(str::to_owned),
        from: from.to_owned(),
        to: rcpts
            .split(',')
            .filter(|a| !a.is_empty())
            .map(str::to_owned)
            .collect(),
        ip: text("ip").to_owned(),
        action: text("action").to_owned(),
        score: text("score").parse().ok()?,
        limit: text("limit").parse().ok()?,
        signed: signed
            .split(';')
            .filter(|s| !s.is_empty())
            .map(|s| s.replace(":s=", " "))
            .collect(),
        symbols,
    })
}
