//! A key that is derived meanwhile.

use std::{
    fmt, mem,
    thread::{self, JoinHandle},
};

use anyhow::{Context, Result, anyhow};

use super::{Key, Passphrase};

/// A key that is derived on a thread of its own, while whoever needs it does something else first.
pub struct Deriving(State);

enum State {
    Begun(JoinHandle<Result<Key>>),
    Done(Key),
    Failed,
}

impl Deriving {
    /// Begins to derive the key of `passphrase`, as [`Key::derive`] does.
    ///
    /// # Errors
    /// When there cannot be another thread.
    pub fn begin(passphrase: Passphrase) -> Result<Self> {
        let thread = thread::Builder::new().spawn(move || Key::derive(&passphrase));
        Ok(Self(State::Begun(
            thread.context("deriving the key of a backup")?,
        )))
    }

    /// The key, once it is there.
    ///
    /// # Errors
    /// As [`Key::derive`].
    pub fn key(&mut self) -> Result<&Key> {
        if matches!(self.0, State::Begun(_))
            && let State::Begun(thread) = mem::replace(&mut self.0, State::Failed)
        {
            let key = thread.join().map_err(|_| anyhow!("its thread panicked"));
            self.0 = State::Done(key.flatten().context("deriving the key of a backup")?);
        }
        match &self.0 {
            State::Done(key) => Ok(key),
            _ => Err(anyhow!("the key of a backup could not be derived")),
        }
    }
}

impl From<Key> for Deriving {
    fn from(key: Key) -> Self {
        Self(State::Done(key))
    }
}

/// Says nothing of the key.
impl fmt::Debug for Deriving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Deriving(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_that_of_the_passphrase_however_often_it_is_asked_for() {
        let passphrase = || Passphrase::new(b"a passphrase".to_vec()).unwrap();
        let expected = Key::derive(&passphrase()).unwrap();
        let mut deriving = Deriving::begin(passphrase()).unwrap();
        for _ in 0..2 {
            assert_eq!(deriving.key().unwrap().bytes(), expected.bytes());
        }
    }
}
