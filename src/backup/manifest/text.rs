//! Values of a manifest as they are written: paths, modes.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};

/// Paths are text, or `{"base64": ...}` where they are not UTF-8.
pub(super) mod path_text {
    use super::*;

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Text {
        Plain(String),
        Other { base64: String },
    }

    pub(in super::super) fn serialize<S: Serializer>(
        path: &Path,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match path.to_str() {
            Some(text) => serializer.serialize_str(text),
            None => {
                let base64 = STANDARD.encode(path.as_os_str().as_bytes());
                Text::Other { base64 }.serialize(serializer)
            }
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<PathBuf, D::Error> {
        match Text::deserialize(from)? {
            Text::Plain(text) => Ok(text.into()),
            Text::Other { base64 } => {
                let bytes = STANDARD.decode(base64).map_err(D::Error::custom)?;
                Ok(OsStr::from_bytes(&bytes).into())
            }
        }
    }
}

pub(super) mod optional_path {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Wrapped(#[serde(with = "path_text")] PathBuf);

    pub(in super::super) fn serialize<S: Serializer>(
        path: &Option<PathBuf>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match path {
            Some(path) => path_text::serialize(path, serializer),
            None => Err(S::Error::custom("no path")),
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<PathBuf>, D::Error> {
        Wrapped::deserialize(from).map(|w| Some(w.0))
    }
}

/// Modes as people write them: `"0600"`.
pub(super) mod octal {
    use super::*;

    pub(in super::super) fn serialize<S: Serializer>(
        mode: &u32,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{mode:04o}"))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<u32, D::Error> {
        let text = String::deserialize(from)?;
        let mode = u32::from_str_radix(&text, 8).map_err(D::Error::custom)?;
        match mode {
            0..=0o7777 => Ok(mode),
            _ => Err(D::Error::custom(format!("`{text}` is no mode"))),
        }
    }
}
