//! Random bytes from the kernel.

use anyhow::{Context, Result, bail};
use rustix::rand::{GetRandomFlags, getrandom};
use zeroize::Zeroizing;

use super::secret::Secret;

/// A new secret: 256 random bits as hexadecimal digits.
///
/// # Errors
/// When the kernel gives no random numbers.
pub fn secret() -> Result<Secret> {
    Ok(Secret::new(hex::encode(*bytes::<32>()?)))
}

/// `N` random bytes, wiped from memory when dropped. Waits until the kernel has gathered enough.
///
/// # Errors
/// When the kernel has no generator (a sandbox that forbids the call).
pub fn bytes<const N: usize>() -> Result<Zeroizing<[u8; N]>> {
    const { assert!(N <= 256, "one call gives no more in one piece") };
    let mut bytes = Zeroizing::new([0; N]);
    let got = getrandom(&mut bytes[..], GetRandomFlags::empty())
        .context("asking the kernel for random numbers")?;
    if got != N {
        bail!("the kernel gave {got} of {N} random bytes");
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_differ() {
        assert_ne!(bytes::<32>().unwrap(), bytes::<32>().unwrap());
        let (one, other) = (secret().unwrap(), secret().unwrap());
        assert_eq!(one.expose().len(), 64);
        assert_ne!(one.expose(), other.expose());
    }
}
