//! The last page: what was answered, from several sides.

/// A part of the last page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    /// What was answered, and what is to be thought of.
    Summary,
    /// The DNS records to publish.
    Records,
    /// The answers as TOML.
    Answers,
    /// The same as QR codes.
    Qr,
}

impl Tab {
    /// All of them in their order.
    pub const ALL: [Self; 4] = [Self::Summary, Self::Records, Self::Answers, Self::Qr];

    /// What it is called.
    pub fn title(self) -> &'static str {
        match self {
            Self::Summary => "Summary",
            Self::Records => "DNS records",
            Self::Answers => "Answers",
            Self::Qr => "QR code",
        }
    }
}

/// What of it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Review {
    /// The part.
    pub tab: Tab,
    /// Its first line; whoever draws it brings it into bounds.
    pub scroll: usize,
    /// How many lines a page up or down moves; whoever draws it knows.
    pub step: usize,
    /// The QR code, from 0, that has the whole screen; whoever draws it brings it into bounds.
    pub code: Option<usize>,
    /// Whether that is drawn with half blocks.
    pub blocks: bool,
}

impl Review {
    pub(super) fn new(blocks: bool) -> Self {
        Self {
            tab: Tab::Summary,
            scroll: 0,
            step: 10,
            code: None,
            blocks,
        }
    }

    /// To the next part, or the one before.
    pub(super) fn turn(&mut self, forward: bool) {
        let all = Tab::ALL.len();
        let at = self.tab as usize;
        let next = if forward { at + 1 } else { at + all - 1 };
        self.tab = Tab::ALL[next % all];
        self.scroll = 0;
    }
}
