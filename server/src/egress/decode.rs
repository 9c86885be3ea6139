//! Unpacking an answer that is packed although nobody asked for that.

use std::io::Write;

use flate2::write::{MultiGzDecoder, ZlibDecoder};

use super::Failure;

/// Input is unpacked in pieces of this size, so that one that grows a thousandfold
/// is noticed early.
const PIECE: usize = 1024;

/// Unpacks an answer piece by piece.
#[derive(Debug)]
pub(super) enum Decoder {
    /// It is as it is.
    Identity,
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    Deflate(Box<ZlibDecoder<Vec<u8>>>),
}

impl Decoder {
    /// For what `content-encoding` says.
    pub(super) fn new(encoding: Option<&str>) -> Result<Self, Failure> {
        match encoding.map(|encoding| encoding.trim().to_ascii_lowercase()).as_deref() {
            None | Some("" | "identity") => Ok(Self::Identity),
            Some("gzip" | "x-gzip") => Ok(Self::Gzip(Box::new(MultiGzDecoder::new(Vec::new())))),
            Some("deflate") => Ok(Self::Deflate(Box::new(ZlibDecoder::new(Vec::new())))),
            Some(other) => {
                Err(Failure::Encoding(other.chars().take(32).filter(|c| !c.is_control()).collect()))
            }
        }
    }

    /// What a piece unpacks to, and whether that is more than `room`: then it is
    /// only the beginning.
    pub(super) fn unpack(&mut self, packed: &[u8], room: usize) -> Result<(Vec<u8>, bool), Failure> {
        let mut unpacked = Vec::new();
        if matches!(self, Self::Identity) {
            unpacked.extend_from_slice(packed);
        }
        for piece in packed.chunks(PIECE) {
            match self {
                Self::Identity => break,
                Self::Gzip(decoder) => {
                    decoder.write_all(piece).map_err(|_| broken("gzip"))?;
                    unpacked.append(decoder.get_mut());
                }
                Self::Deflate(decoder) => {
                    decoder.write_all(piece).map_err(|_| broken("deflate"))?;
                    unpacked.append(decoder.get_mut());
                }
            }
            if unpacked.len() > room {
                break;
            }
        }
        let too_much = unpacked.len() > room;
        unpacked.truncate(room);
        Ok((unpacked, too_much))
    }

    /// What is left at the end.
    pub(super) fn finish(&mut self, room: usize) -> Result<(Vec<u8>, bool), Failure> {
        let mut rest = match self {
            Self::Identity => Vec::new(),
            Self::Gzip(decoder) => {
                decoder.try_finish().map_err(|_| broken("gzip"))?;
                std::mem::take(decoder.get_mut())
            }
            Self::Deflate(decoder) => {
                decoder.try_finish().map_err(|_| broken("deflate"))?;
                std::mem::take(decoder.get_mut())
            }
        };
        let too_much = rest.len() > room;
        rest.truncate(room);
        Ok((rest, too_much))
    }
}

fn broken(encoding: &str) -> Failure {
    Failure::Encoding(format!("broken {encoding}"))
}
