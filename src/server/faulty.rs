//! Answers and handshakes with faults, by the rules of [`crate::faults`].

use std::io::{self, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use super::tls::{TlsStream, linger};
use crate::faults::AnswerFault;

/// A TLS alert: handshake_failure (RFC 5246 §7.2).
const ALERT: [u8; 7] = [21, 3, 3, 0, 2, 2, 40];

/// The number of parts in a second in which a slow answer arrives, unless it has fewer bytes.
const PARTS: u32 = 10;

/// Changes the bytes of a message before it is sent. `is_ttlv` states whether it begins with a tag, a type and a length.
pub(super) fn deform(message: &mut Vec<u8>, fault: AnswerFault, is_ttlv: bool) {
    const HEADER: usize = 8;
    match fault {
        AnswerFault::Truncated if is_ttlv => {
            let rest = message.len().saturating_sub(HEADER) / 2;
            message.truncate(HEADER + rest);
            let length = u32::try_from(rest).unwrap_or(u32::MAX).to_be_bytes();
            if let Some(place) = message.get_mut(4..HEADER) {
                place.copy_from_slice(&length);
            }
        }
        AnswerFault::Truncated => message.truncate(message.len() / 2),
        // The length stays, so that a client reads all of the message.
        AnswerFault::Unparsable => {
            let from = if is_ttlv { HEADER } else { 0 };
            message.get_mut(from..).unwrap_or_default().fill(0xFF);
        }
        AnswerFault::Lost | AnswerFault::Cut | AnswerFault::Version(..) | AnswerFault::Slow(_) => {}
    }
}

/// Sends a message. Returns false if the connection ends now.
///
/// # Errors
/// Returns the error of the stream.
pub(super) fn send(
    stream: &mut impl TlsStream,
    message: &[u8],
    fault: Option<AnswerFault>,
) -> io::Result<bool> {
    match fault {
        Some(AnswerFault::Lost) => Ok(false),
        Some(AnswerFault::Cut) => {
            stream.send(message.get(..message.len() / 2).unwrap_or_default())?;
            Ok(false)
        }
        Some(AnswerFault::Slow(rate)) => {
            let part = (rate / PARTS).max(1);
            let pause = Duration::from_secs(1).saturating_mul(part) / rate.max(1);
            for part in message.chunks(usize::try_from(part).unwrap_or(usize::MAX)) {
                stream.send(part)?;
                thread::sleep(pause);
            }
            Ok(true)
        }
        _ => stream.send(message).map(|()| true),
    }
}

/// Refuses the handshake of a client.
pub(super) fn refuse(mut socket: &TcpStream) {
    // The client may have left.
    if socket.write_all(&ALERT).is_ok() {
        linger(socket);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_truncated_message_states_its_length() {
        let mut message = vec![0x42, 0, 0x7B, 1, 0, 0, 0, 16];
        message.extend([7; 16]);
        let mut text = b"{\"tag\": 1}".to_vec();
        deform(&mut message, AnswerFault::Truncated, true);
        assert_eq!(message[4..], [0, 0, 0, 8, 7, 7, 7, 7, 7, 7, 7, 7]);
        deform(&mut message, AnswerFault::Unparsable, true);
        assert_eq!(message[4..], [0, 0, 0, 8, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]);
        deform(&mut text, AnswerFault::Truncated, false);
        assert_eq!(text, b"{\"tag");
        deform(&mut Vec::new(), AnswerFault::Truncated, true);
    }
}
