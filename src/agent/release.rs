//! Which image this machine runs.

use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use crate::util::files;

/// What `ezmail image` has written into the image about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Release {
    /// Version of ezmail; "unknown" where this is no image of ours.
    pub version: String,
    /// Where the distribution's packages came from: `arch` or `standin`, or "unknown".
    pub base: String,
}

impl Release {
    /// Reads that of the running system.
    ///
    /// # Errors
    /// When there is no `/etc/os-release`.
    pub fn read() -> Result<Self> {
        let text = files::read_to_string(Path::new("/etc/os-release"))?;
        Ok(Self::parse(&text))
    }

    /// `IMAGE_VERSION` and `IMAGE_ID` of an os-release(5).
    pub fn parse(text: &str) -> Self {
        let value = |key: &str| {
            let line = text.lines().find_map(|l| l.strip_prefix(key));
            line.map(|v| v.trim_matches('"'))
        };
        let known = |value: Option<&str>| value.unwrap_or("unknown").to_owned();
        let (id, version) = (value("IMAGE_ID="), value("IMAGE_VERSION="));
        // mkarchiso puts the name and the version of the ISO there
        if id == Some("ezmail")
            && let Some((version, base)) = version.and_then(|v| v.rsplit_once('-'))
        {
            return Self {
                version: version.to_owned(),
                base: base.to_owned(),
            };
        }
        Self {
            version: known(version),
            base: known(id.and_then(|id| id.strip_prefix("ezmail-"))),
        }
    }

    /// Whether the image is for trying and testing only.
    pub fn is_standin(&self) -> bool {
        self.base == "standin"
    }
}

impl std::fmt::Display for Release {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ezmail {} ({} base)", self.version, self.base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_names_itself() {
        let ours = "NAME=\"Arch\"\nIMAGE_ID=ezmail-standin\nIMAGE_VERSION=1.2.3\n";
        let release = Release::parse(ours);
        assert_eq!(release.to_string(), "ezmail 1.2.3 (standin base)");
        assert!(release.is_standin());
        let upstreams = "IMAGE_ID=ezmail\nIMAGE_VERSION=1.2.3-standin\n";
        assert_eq!(Release::parse(upstreams).to_string(), release.to_string());
        let other = Release::parse("ID=debian\nIMAGE_ID=cloud\n");
        assert_eq!(other.to_string(), "ezmail unknown (unknown base)");
        assert!(!other.is_standin());
    }
}
