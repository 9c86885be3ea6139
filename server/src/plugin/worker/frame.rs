//! What goes between the server and a worker, in both directions: a length, a
//! kind, a number and bytes. Whoever reads frames believes nothing of them.

use std::str;

/// The longest body of a frame. A call's result may have 64 MiB at most, and needs
/// a little around it.
pub(crate) const MAX_BODY: usize = (64 << 20) + (64 << 10);

/// The longest body of what a worker says of itself, or asks: nobody gave it room for
/// more.
pub(crate) const MAX_ASK: usize = 8 << 20;

/// Length (of the body), kind and number.
const HEADER: usize = 4 + 1 + 8;

/// A buffer that was needed for one large frame is not kept.
const KEEP: usize = 64 << 10;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// To the worker: what it is to be, as JSON.
    Start = 1,
    /// From the worker, before it loads anything: how it is confined, as JSON.
    Sealed = 2,
    /// From the worker: it takes calls.
    Ready = 3,
    /// From the worker: why it takes none, as JSON.
    Fails = 4,
    /// To the worker: an operation of the plugin.
    Call = 5,
    /// From the worker: what came of a call.
    Answer = 6,
    /// From the worker: how a call failed.
    Error = 7,
    /// From the worker: an operation of the host.
    Ask = 8,
    /// To the worker: what came of what it asked.
    Reply = 9,
    /// To the worker: how what it asked failed.
    Refusal = 10,
}

/// One frame. The number says which call or question it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    pub(crate) id: u64,
    pub(crate) body: Vec<u8>,
}

/// The body of [`Kind::Call`] and [`Kind::Ask`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request<'b> {
    pub(crate) op: &'b str,
    /// The call on whose behalf.
    pub(crate) token: &'b [u8],
    pub(crate) input: &'b [u8],
}

/// Frames, as far as they have come.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    bytes: Vec<u8>,
    /// What was taken out already.
    taken: usize,
    /// What is still to come of a frame that nobody wants.
    unwanted: usize,
}

/// What has come.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    /// A frame.
    Frame(Frame),
    /// One with more bytes than it may have, which are not kept.
    TooLong {
        /// What it would have been.
        kind: Kind,
        /// Its number.
        id: u64,
        /// How long its body would have been.
        length: usize,
    },
}

/// Bytes that are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("a frame of an unknown kind, {0}")]
    Kind(u8),
    #[error("a frame of {0} bytes")]
    Length(u32),
    #[error("a request that is cut off")]
    Request,
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        const KINDS: [Kind; 10] = [
            Kind::Start,
            Kind::Sealed,
            Kind::Ready,
            Kind::Fails,
            Kind::Call,
            Kind::Answer,
            Kind::Error,
            Kind::Ask,
            Kind::Reply,
            Kind::Refusal,
        ];
        KINDS.into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// A frame with that body. `None` if it is too large for one.
pub(crate) fn frame(kind: Kind, id: u64, body: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = header(kind, id, body.len())?;
    bytes.extend_from_slice(body);
    Some(bytes)
}

/// A frame with a request. `None` if it is too large for one.
pub(crate) fn request(kind: Kind, id: u64, request: Request<'_>) -> Option<Vec<u8>> {
    let Request { op, token, input } = request;
    let (op_length, token_length) = (u16::try_from(op.len()).ok()?, u8::try_from(token.len()).ok()?);
    let body = 2 + 1 + op.len() + token.len() + input.len();
    let mut bytes = header(kind, id, body).filter(|_| kind != Kind::Ask || body <= MAX_ASK)?;
    bytes.extend_from_slice(&op_length.to_le_bytes());
    bytes.push(token_length);
    bytes.extend_from_slice(op.as_bytes());
    bytes.extend_from_slice(token);
    bytes.extend_from_slice(input);
    Some(bytes)
}

fn header(kind: Kind, id: u64, body: usize) -> Option<Vec<u8>> {
    let length = u32::try_from(body).ok().filter(|_| body <= MAX_BODY)?;
    let mut bytes = Vec::with_capacity(HEADER + body);
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.push(kind as u8);
    bytes.extend_from_slice(&id.to_le_bytes());
    Some(bytes)
}

impl Frame {
    /// Its body, as a request.
    pub(crate) fn request(&self) -> Result<Request<'_>, Malformed> {
        let parts = || {
            let (op, rest) = self.body.split_first_chunk::<2>()?;
            let (token, rest) = rest.split_first()?;
            let (op, rest) = rest.split_at_checked(u16::from_le_bytes(*op).into())?;
            let (token, input) = rest.split_at_checked((*token).into())?;
            Some(Request { op: str::from_utf8(op).ok()?, token, input })
        };
        parts().ok_or(Malformed::Request)
    }
}

impl Frames {
    /// Takes in what has come.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let (unwanted, bytes) = bytes.split_at(self.unwanted.min(bytes.len()));
        self.unwanted -= unwanted.len();
        self.bytes.extend_from_slice(bytes);
    }

    /// The next frame, if it is whole. All of it is kept until then, so this is for
    /// whoever may send frames of any length.
    pub(crate) fn next(&mut self) -> Result<Option<Frame>, Malformed> {
        self.next_within(|_, _| MAX_BODY).map(|next| match next? {
            Incoming::Frame(frame) => Some(frame),
            Incoming::TooLong { .. } => None,
        })
    }

    /// The next frame, once it is whole, or once its header says that its body is
    /// longer than `most` answers for it.
    pub(crate) fn next_within(
        &mut self,
        most: impl FnOnce(Kind, u64) -> usize,
    ) -> Result<Option<Incoming>, Malformed> {
        let rest = self.bytes.get(self.taken..).unwrap_or_default();
        let Some((header, rest)) = rest.split_first_chunk::<HEADER>() else {
            self.tidy();
            return Ok(None);
        };
        let [a, b, c, d, kind, id @ ..] = *header;
        let (length, id) = (u32::from_le_bytes([a, b, c, d]), u64::from_le_bytes(id));
        let kind = Kind::of(kind).ok_or(Malformed::Kind(kind))?;
        let size = usize::try_from(length).unwrap_or(usize::MAX);
        if size > MAX_BODY {
            return Err(Malformed::Length(length));
        }
        if size > most(kind, id) {
            let here = size.min(rest.len());
            (self.taken, self.unwanted) = (self.taken + HEADER + here, size - here);
            return Ok(Some(Incoming::TooLong { kind, id, length: size }));
        }
        let Some(body) = rest.get(..size) else {
            self.tidy();
            return Ok(None);
        };
        let frame = Frame { kind, id, body: body.to_vec() };
        self.taken += HEADER + size;
        Ok(Some(Incoming::Frame(frame)))
    }

    fn tidy(&mut self) {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        if self.bytes.is_empty() && self.bytes.capacity() > KEEP {
            self.bytes = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests;
