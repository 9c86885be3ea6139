//! Requests of the revision without sessions that may be cancelled by their id. A
//! client there usually hangs up instead, which needs no table.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rmcp::model::RequestId;
use server_core::secret::TokenDigest;
use tokio_util::sync::CancellationToken;

/// Requests in flight. Ids are the client's own, and several clients may share a
/// token.
#[derive(Debug, Default)]
pub(super) struct Cancels(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    requests: HashMap<(TokenDigest, RequestId), Vec<CancellationToken>>,
    /// Whoever comes now is cancelled already.
    is_cut: bool,
}

/// A request's place among them, given up when dropped.
#[derive(Debug)]
pub(super) struct Cancellable {
    cancels: Arc<Cancels>,
    key: (TokenDigest, RequestId),
    token: CancellationToken,
}

impl Cancels {
    /// Takes a request in.
    pub(super) fn enter(self: &Arc<Self>, token: TokenDigest, id: RequestId) -> Cancellable {
        let (key, token) = ((token, id), CancellationToken::new());
        let mut table = self.table();
        if table.is_cut {
            token.cancel();
        }
        table.requests.entry(key.clone()).or_default().push(token.clone());
        drop(table);
        Cancellable { cancels: self.clone(), key, token }
    }

    /// Cancels the request of that id. Where two clients that share a token have
    /// given it to a request each, nobody can tell whose is meant, and neither is.
    pub(super) fn cancel(&self, token: TokenDigest, id: &RequestId) {
        if let Some([request]) = self.table().requests.get(&(token, id.clone())).map(Vec::as_slice) {
            request.cancel();
        }
    }

    /// Cancels all, also those to come. Every request would otherwise watch one
    /// more token, one that all of them share.
    pub(super) fn cut(&self) {
        let mut table = self.table();
        table.is_cut = true;
        table.requests.values().flatten().for_each(CancellationToken::cancel);
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cancellable {
    /// Cancelled when the request is, or all are cut off.
    pub(super) fn token(&self) -> &CancellationToken {
        &self.token
    }
}

impl Drop for Cancellable {
    fn drop(&mut self) {
        // What is cancelled here has ended, and says which of several is this one.
        self.token.cancel();
        let mut table = self.cancels.table();
        if let Some(requests) = table.requests.get_mut(&self.key) {
            requests.retain(|request| !request.is_cancelled());
            if requests.is_empty() {
                table.requests.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(token: &str) -> TokenDigest {
        TokenDigest::of(token)
    }

    #[test]
    fn a_request_is_cancelled_by_its_own_client_alone() {
        let cancels = Arc::<Cancels>::default();
        let id = RequestId::Number(1);
        let request = cancels.enter(digest("a"), id.clone());
        cancels.cancel(digest("b"), &id);
        cancels.cancel(digest("a"), &RequestId::Number(2));
        assert!(!request.token().is_cancelled());
        cancels.cancel(digest("a"), &id);
        assert!(request.token().is_cancelled());
    }

    #[test]
    fn an_id_that_two_clients_use_at_once_cancels_neither() {
        let cancels = Arc::<Cancels>::default();
        let id = RequestId::Number(1);
        let [one, other] = [(); 2].map(|()| cancels.enter(digest("a"), id.clone()));
        cancels.cancel(digest("a"), &id);
        assert!(!one.token().is_cancelled() && !other.token().is_cancelled());
        drop(one);
        cancels.cancel(digest("a"), &id);
        assert!(other.token().is_cancelled());
        drop(other);
        assert!(cancels.table().requests.is_empty());
    }

    #[test]
    fn to_cut_them_off_cancels_all_and_whoever_comes_later() {
        let cancels = Arc::<Cancels>::default();
        let request = cancels.enter(digest("a"), RequestId::Number(1));
        cancels.cut();
        assert!(request.token().is_cancelled());
        assert!(cancels.enter(digest("b"), RequestId::Number(2)).token().is_cancelled());
    }
}
