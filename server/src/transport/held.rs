//! A response body that keeps something until it is done.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Gives `hold` up once the body was sent whole, or nobody wants it any more.
pub(crate) struct Held<B, H> {
    inner: Option<(B, H)>,
    until: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

impl<B, H> Held<B, H> {
    pub(crate) fn new(body: B, hold: H) -> Self {
        Self { inner: Some((body, hold)), until: None }
    }

    /// Ends the body early, as if it were whole, when `token` is cancelled.
    pub(super) fn until(mut self, token: Option<CancellationToken>) -> Self {
        self.until = token.map(|token| Box::pin(token.cancelled_owned()));
        self
    }
}

impl<B: Body<Data = Bytes> + Unpin, H: Unpin> Body for Held<B, H> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if self.until.as_mut().is_some_and(|until| until.as_mut().poll(cx).is_ready()) {
            self.until = None;
            self.inner = None;
        }
        let Some((body, _)) = &mut self.inner else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_frame(cx);
        if !matches!(polled, Poll::Pending | Poll::Ready(Some(Ok(_)))) {
            self.inner = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(|(body, _)| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or(SizeHint::with_exact(0), |(body, _)| body.size_hint())
    }
}
