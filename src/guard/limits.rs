//! How many wrong passwords are too many.

/// Seconds of a minute.
pub(super) const MINUTE: i64 = 60;
/// Seconds of an hour.
pub(super) const HOUR: i64 = 60 * MINUTE;
/// Seconds of a day.
pub(super) const DAY: i64 = 24 * HOUR;

/// The longest ban that the guard gives.
pub const LONGEST: i64 = 7 * DAY;
/// How long after its end a ban makes the next one longer.
pub(super) const REMEMBERED: i64 = 7 * DAY;
/// How long a good login spares its network.
pub(super) const SPARED: i64 = 30 * DAY;
/// The window that catches quick guessing.
pub(super) const SHORT: i64 = 10 * MINUTE;
/// How long a login cannot be tried from a network where it was guessed.
pub(super) const HELD: i64 = 15 * MINUTE;
/// How long the owner of a login that is being guessed waits for an answer.
pub(super) const DELAY: u32 = 4;

/// The limits. A wrong password is a point, for a login that there is not two; the same password
/// again is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Points of an address in ten minutes that get it banned.
    pub short: u32,
    /// Points of an address in a day that get it banned.
    pub long: u32,
    /// Wrong passwords for one login in ten minutes from an address that is not banned since it is
    /// spared; after that, the login is not tried from there for a while.
    pub pair: u32,
    /// Networks that guess one login within an hour, after which it is said to be guessed.
    pub spread: usize,
    /// Logins that an address may try in a minute, right or wrong; four times as many where a good
    /// login came from, and as many as it likes that went well there.
    pub tries: u32,
    /// Seconds of the first ban; each next one is four times as long, up to [`LONGEST`].
    pub first: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            short: 10,
            long: 40,
            pair: 5,
            spread: 10,
            tries: 30,
            first: 15 * MINUTE,
        }
    }
}
