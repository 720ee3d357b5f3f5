//! xz, with a limit for the memory that a stream may ask for.

use std::io::{self, Read};

use liblzma::{
    read::XzDecoder,
    stream::{CONCATENATED, Stream},
};

/// What `xz -9` asks for, and as much again. A stream may ask for 4 GiB.
const MEMORY: u64 = 130 << 20;

/// Reads what is in `compressed`, one stream after the other.
///
/// # Errors
/// When there is no memory. What asks for too much fails when it is read.
pub fn decoder<R: Read>(compressed: R) -> io::Result<XzDecoder<R>> {
    let stream = Stream::new_auto_decoder(MEMORY, CONCATENATED)?;
    Ok(XzDecoder::new_stream(compressed, stream))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// `text`, and in the header of its block how large the dictionary is said to be.
    fn asking(text: &[u8], size: u8) -> Vec<u8> {
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
        xz.write_all(text).unwrap();
        let mut bytes = xz.finish().unwrap();
        // one filter, LZMA2, whose one byte is the size
        assert_eq!(bytes[12..16], [2, 0, 0x21, 1]);
        bytes[16] = size;
        let mut sum = flate2::Crc::new();
        sum.update(&bytes[12..20]);
        bytes[20..24].copy_from_slice(&sum.sum().to_le_bytes());
        bytes
    }

    #[test]
    fn what_asks_for_much_memory_is_refused() {
        let read = |size| {
            let mut text = String::new();
            let bytes = asking(b"text", size);
            decoder(bytes.as_slice())?.read_to_string(&mut text)?;
            io::Result::Ok(text)
        };
        // 64 MiB, as xz -9 has it, and 4 GiB
        assert_eq!(read(28).unwrap(), "text");
        let error = read(40).unwrap_err();
        assert!(error.to_string().contains("memory"), "{error}");
    }
}
