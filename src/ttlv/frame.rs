//! Reads one message of limited length from a stream (KMIP 1.4 §10: a message is one TTLV structure).

use std::io::{self, Read};

/// The number of bytes of one read. The buffer grows with the bytes that arrive, not with the announced length.
const CHUNK: usize = 16 * 1024;

/// The first byte of every tag of the standard (KMIP 1.4 §9.1.1.1). A structure with another tag than Request Message
/// is a frame, too, and gets a response.
const KMIP_TAGS: u8 = 0x42;

/// The reason why no message was read.
#[derive(Debug)]
pub enum FrameError {
    /// The peer ended the stream between two messages.
    Closed,
    /// The peer ended the stream inside a message.
    Cut,
    /// The bytes do not begin with a tag of KMIP and the type Structure.
    NotKmip,
    /// The message announces a length above the limit.
    TooLong {
        /// The announced length of the whole message, in bytes.
        length: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The stream failed.
    Io(io::Error),
}

impl std::fmt::Display for FrameError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Closed => f.write_str("the peer closed the connection"),
            Self::Cut => f.write_str("the peer closed the connection inside a message"),
            Self::NotKmip => f.write_str("the peer sent bytes that are not a KMIP request"),
            Self::TooLong { length, limit } => {
                write!(f, "the peer announced a message of {length} bytes; the limit is {limit}")
            }
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for FrameError {}

/// Reads one whole message into `buf`, whose contents it replaces.
///
/// `limit` is the maximum length of the message, including its eight header bytes.
///
/// # Errors
/// Returns a [`FrameError`]. The position of the stream is then inside a message; close the stream.
pub fn read_frame(stream: &mut impl Read, buf: &mut Vec<u8>, limit: usize) -> Result<(), FrameError> {
    buf.clear();
    let mut header = [0; 8];
    let (first, rest) = header.split_at_mut(1);
    if !fill(stream, first)? {
        return Err(FrameError::Closed);
    }
    if !fill(stream, rest)? {
        return Err(FrameError::Cut);
    }
    let [t0, _, _, kind, l0, l1, l2, l3] = header;
    if t0 != KMIP_TAGS || kind != 0x01 {
        return Err(FrameError::NotKmip);
    }
    let length = 8 + u32::from_be_bytes([l0, l1, l2, l3]) as usize;
    if length > limit {
        return Err(FrameError::TooLong { length, limit });
    }
    buf.extend_from_slice(&header);
    while buf.len() < length {
        let have = buf.len();
        buf.resize(length.min(have + CHUNK), 0);
        let Some(room) = buf.get_mut(have..) else { break };
        if !fill(stream, room)? {
            return Err(FrameError::Cut);
        }
    }
    Ok(())
}

/// Fills `room`. Returns false if the stream ends before.
fn fill(stream: &mut impl Read, room: &mut [u8]) -> Result<bool, FrameError> {
    match stream.read_exact(room) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(FrameError::Io(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mut bytes: &[u8], limit: usize) -> Result<Vec<u8>, FrameError> {
        let mut buf = vec![1, 2, 3];
        read_frame(&mut bytes, &mut buf, limit)?;
        Ok(buf)
    }

    #[test]
    fn reads_a_message_and_leaves_the_next() {
        let mut stream: &[u8] = &[0x42, 0, 0x78, 1, 0, 0, 0, 2, 9, 9, 0x42];
        let mut buf = Vec::new();
        read_frame(&mut stream, &mut buf, 64).unwrap();
        assert_eq!(buf, [0x42, 0, 0x78, 1, 0, 0, 0, 2, 9, 9]);
        assert_eq!(stream, [0x42]);
    }

    #[test]
    fn an_announced_length_is_not_allocated() {
        let announced = [0x42, 0, 0x78, 1, 0x7F, 0xFF, 0xFF, 0xFF, 1];
        assert!(matches!(read(&announced, 1 << 20), Err(FrameError::TooLong { .. })));
        let mut buf = Vec::new();
        assert!(matches!(read_frame(&mut &announced[..], &mut buf, usize::MAX), Err(FrameError::Cut)));
        assert!(buf.capacity() < 2 * CHUNK, "{}", buf.capacity());
    }

    #[test]
    fn distinguishes_an_idle_peer_a_cut_message_and_foreign_bytes() {
        assert!(matches!(read(&[], 64), Err(FrameError::Closed)));
        assert!(matches!(read(&[0x42], 64), Err(FrameError::Cut)));
        assert!(matches!(read(b"GET / HTTP/1.1\r\n", 64), Err(FrameError::NotKmip)));
    }
}
