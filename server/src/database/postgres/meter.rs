//! How much a server may send. A row, however large, would be kept whole before
//! anybody could look at it, so its bytes are counted as they come.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a server sends that is no row: the description of columns, mostly.
const AROUND: u64 = 512 * 1024;

/// How many bytes a connection may still bring.
#[derive(Clone, Debug)]
pub(super) struct Meter(Arc<AtomicU64>);

/// A stream that ends with an error once its meter is used up.
#[derive(Debug)]
pub(super) struct Metered<S> {
    stream: S,
    meter: Meter,
}

impl Meter {
    /// Enough to connect with.
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(AROUND)))
    }

    /// Enough for an answer of so many bytes as JSON.
    pub(super) fn allow(&self, max_bytes: u64) {
        self.0.store(max_bytes.saturating_mul(4).saturating_add(AROUND), Ordering::Relaxed);
    }

    /// Whether nothing more is let through.
    pub(super) fn is_used_up(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    fn take(&self, bytes: u64) {
        let left = self.0.load(Ordering::Relaxed).saturating_sub(bytes);
        self.0.store(left, Ordering::Relaxed);
    }

    pub(super) fn on<S>(&self, stream: S) -> Metered<S> {
        Metered { stream, meter: self.clone() }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.meter.is_used_up() {
            return Poll::Ready(Err(io::Error::other("the server sends more than it may")));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.meter.take((buffer.filled().len() - before) as u64);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
