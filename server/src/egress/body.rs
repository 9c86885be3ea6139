//! The body of an answer, as it comes.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};

use super::{
    Bounds, EgressError, Failure,
    decode::Decoder,
    places::Place,
    pool::{Connection, Key, Pool},
};

/// A body that is being received. Its connection is used again only if it is read
/// to its end.
pub struct Body {
    incoming: Incoming,
    decoder: Decoder,
    bounds: Bounds,
    until: Instant,
    received: u64,
    source: Option<Source>,
    ended: bool,
}

/// Where a body comes from.
#[derive(Debug)]
pub(super) struct Source {
    _place: Place,
    pool: Arc<Pool>,
    key: Key,
    connection: Connection,
}

impl Source {
    pub(super) fn new(place: Place, pool: Arc<Pool>, key: Key, connection: Connection) -> Self {
        Self { _place: place, pool, key, connection }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("received", &self.received).finish_non_exhaustive()
    }
}

impl Body {
    pub(super) fn new(
        headers: &HeaderMap,
        incoming: Incoming,
        source: Source,
        bounds: Bounds,
    ) -> Result<Self, Failure> {
        let encodings: Vec<_> = headers.get_all(header::CONTENT_ENCODING).iter().collect();
        let decoder = match encodings.as_slice() {
            [] => Decoder::new(None)?,
            [one] => Decoder::new(Some(one.to_str().unwrap_or("unreadable")))?,
            _ => return Err(Failure::Encoding("several".to_owned())),
        };
        let until = Instant::now() + bounds.whole;
        let source = Some(source);
        Ok(Self { incoming, decoder, bounds, until, received: 0, source, ended: false })
    }

    /// The next piece, unpacked; `None` at the end. Never more bytes in all than the
    /// bounds have: the first that would be too many is an error.
    ///
    /// # Errors
    ///
    /// What went wrong, or that it is too large or too slow.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, EgressError> {
        let (piece, too_much) = self.piece().await?;
        if too_much {
            return Err(Failure::TooLarge(self.bounds.body_bytes).into());
        }
        Ok(piece)
    }

    /// All of it, or the first `bounds.body_bytes` of it, and whether there is more.
    ///
    /// # Errors
    ///
    /// What went wrong, or that it is too slow.
    pub async fn collect(mut self) -> Result<(Vec<u8>, bool), EgressError> {
        let mut all = Vec::new();
        loop {
            let (piece, too_much) = self.piece().await?;
            let ended = piece.is_none();
            all.extend_from_slice(&piece.unwrap_or_default());
            if too_much || ended {
                return Ok((all, too_much));
            }
        }
    }

    async fn piece(&mut self) -> Result<(Option<Bytes>, bool), Failure> {
        while !self.ended {
            let (unpacked, too_much) = match self.packed().await? {
                Some(packed) => self.decoder.unpack(&packed, self.room())?,
                None => {
                    self.ended = true;
                    self.give_back();
                    self.decoder.finish(self.room())?
                }
            };
            self.received += unpacked.len() as u64;
            if too_much {
                // What else comes is not read, so the connection is of no use.
                (self.ended, self.source) = (true, None);
            }
            if !unpacked.is_empty() || too_much {
                return Ok((Some(unpacked.into()), too_much));
            }
        }
        Ok((None, false))
    }

    /// The next piece that has content, as it was sent.
    async fn packed(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            let idle = Instant::now() + self.bounds.idle;
            let frame = timeout_at(idle.min(self.until), self.incoming.frame()).await;
            let frame = frame.map_err(|_| match idle < self.until {
                true => Failure::Stalled(self.bounds.idle),
                false => Failure::TooSlow(self.bounds.whole),
            })?;
            match frame {
                None => return Ok(None),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => return Ok(Some(data)),
                    // Trailers, which nobody asked for.
                    _ => {}
                },
                Some(Err(error)) => return Err(self.broken(&error)),
            }
        }
    }

    fn broken(&mut self, error: &hyper::Error) -> Failure {
        match self.source.take() {
            Some(source) if error.is_incomplete_message() => Failure::Closed(source.key.to().clone()),
            Some(source) => Failure::Protocol { to: source.key.to().clone(), reason: error.to_string() },
            None => Failure::Request(error.to_string()),
        }
    }

    fn room(&self) -> usize {
        usize::try_from(self.bounds.body_bytes.saturating_sub(self.received)).unwrap_or(usize::MAX)
    }

    fn give_back(&mut self) {
        if let Some(Source { pool, key, connection, .. }) = self.source.take() {
            pool.keep(key, connection);
        }
    }
}
