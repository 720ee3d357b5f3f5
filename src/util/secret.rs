//! A string that does not leak: not through `{:?}`, not through serde, not through freed memory.

use std::fmt;

use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

/// What is shown in a secret's place.
pub const REDACTED: &str = "[redacted]";

/// A password, a key, a hash: text that is handed out only by [`Secret::expose`].
///
/// `Debug` and `Serialize` give [`REDACTED`]; the memory is overwritten on drop.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes `text` over; what it was copied from is the caller's to wipe.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself. Every call is a place to look at in a review.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(REDACTED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_debug_nor_json_shows_it() {
        let secret = Secret::new("correct horse");
        assert_eq!(format!("{secret:?}"), REDACTED);
        assert_eq!(
            serde_json::to_string(&secret).unwrap(),
            format!("\"{REDACTED}\"")
        );
        assert_eq!(secret.expose(), "correct horse");
    }
}
