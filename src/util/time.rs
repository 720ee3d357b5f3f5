//! The time.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

/// Seconds since 1970.
///
/// # Errors
/// When the clock is before that.
pub fn now() -> Result<i64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Ok(since.context("the clock is wrong")?.as_secs().try_into()?)
}
