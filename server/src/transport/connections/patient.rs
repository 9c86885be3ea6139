//! A stream that gives a client up which stops in the middle: of sending the head
//! of a request, or of taking what it is sent.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use super::guests::Guest;

/// A connection of a guest's, with some patience.
pub(super) struct Patient<S> {
    inner: S,
    guest: Arc<Guest>,
    /// The head of a request has begun to arrive, after so many others.
    head: Wait,
    begun: u32,
    /// Something is to be written, and the client does not take it.
    write: Wait,
}

/// A time that is running, or not. Its timer exists only once somebody waits: most
/// heads come whole, and most clients take what they get.
struct Wait {
    patience: Duration,
    until: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Wait {
    fn new(patience: Duration) -> Self {
        Self { patience, until: None, timer: None }
    }

    fn begin(&mut self) {
        if self.until.is_none() {
            self.until = Some(Instant::now() + self.patience);
        }
    }

    fn end(&mut self) {
        (self.until, self.timer) = (None, None);
    }

    /// Fails once the time is up; until then, whoever asks is woken then.
    fn check(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let Some(until) = self.until else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(io::ErrorKind::TimedOut.into())
    }
}

impl<S> Patient<S> {
    pub(super) fn new(inner: S, guest: Arc<Guest>, patience: Duration) -> Self {
        Self { inner, guest, head: Wait::new(patience), begun: 0, write: Wait::new(patience) }
    }

    fn written<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.write.end();
            return polled;
        }
        self.write.begin();
        self.write.check(cx).map(Err)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.inner).poll_read(cx, buf);
        let begun = this.guest.begun();
        if begun != this.begun {
            // That one was whole.
            this.begun = begun;
            this.head.end();
        }
        if polled.is_pending() {
            return this.head.check(cx).map(Err);
        }
        if this.guest.is_between_requests() && buf.filled().len() > before {
            this.head.begin();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.written(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.written(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
