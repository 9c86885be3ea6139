//! The one way out: every request that leaves the server goes through a
//! [`Connector`], whoever makes it.
//!
//! It takes a [`Scope`], which says whose rules count, and a [`Request`]. What it
//! answers streams. No connection is made to an address that the rules have not
//! been asked about: the one place that connects takes a
//! [`Checked`](server_core::egress::Checked) address, which only the core's check
//! makes. Proxies of the environment are not used, redirects are followed by hand,
//! and a connection is used again only under the rules that it was made under.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use http::{HeaderMap, Method, StatusCode, header};
use server_core::{
    egress::{Admitted, Destination, Refusal, Scope, Target},
    settings::EgressSettings,
};
use tokio::time::timeout;

mod body;
mod decode;
mod dial;
mod error;
mod fetch;
mod headers;
mod log;
mod names;
mod own;
mod places;
mod pool;
mod request;
mod tally;
mod tls;

#[cfg(test)]
mod tests;

pub use body::Body;
pub use error::{EgressError, Failure};
pub use fetch::Fetched;
pub use own::OwnAddresses;
pub use request::{Bounds, Request};
pub use tally::{Sent, Tally};

use dial::Tools;
use places::Places;
use pool::{Key, Pool};
use request::Hop;

/// How long looking a name up, connecting and TLS may take, each.
const CONNECT: Duration = Duration::from_secs(5);

/// Sends requests as far as the rules let them.
#[derive(Clone, Debug)]
pub struct Connector(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    tools: ArcSwap<Tools>,
    pool: Arc<Pool>,
    places: Arc<Places>,
    own: OwnAddresses,
    log: log::EgressLog,
    tally: Tally,
}

/// What a server answered. The body is read as it comes.
#[derive(Debug)]
pub struct Response {
    /// Its status. Redirects have been followed.
    pub status: StatusCode,
    /// Its headers, without those that are about the connection, and without
    /// cookies.
    pub headers: HeaderMap,
    /// Which URL it is the answer of.
    pub target: Target,
    /// Where requests went: the last is where this comes from.
    pub reached: Vec<Destination>,
    /// Its body.
    pub body: Body,
}

/// Settings that can be put in force.
#[derive(Debug)]
pub(crate) struct Prepared(Option<Tools>);

impl Connector {
    /// A connector for a server that listens at `own`.
    ///
    /// # Errors
    ///
    /// Why these settings cannot be used.
    pub fn new(settings: &EgressSettings, own: OwnAddresses) -> Result<Self, String> {
        let tools = ArcSwap::from_pointee(Tools::new(settings)?);
        let (pool, places, log, tally) = Default::default();
        Ok(Self(Arc::new(Inner { tools, pool, places, own, log, tally })))
    }

    /// What went out so far, and what did not.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.0.tally
    }

    /// Gets other settings ready.
    ///
    /// # Errors
    ///
    /// Why they cannot be used.
    pub(crate) fn prepare(&self, settings: &EgressSettings) -> Result<Prepared, String> {
        let is_other = self.0.tools.load().settings != *settings;
        Ok(Prepared(if is_other { Some(Tools::new(settings)?) } else { None }))
    }

    /// Puts them in force. Connections that were made under others are not used
    /// again.
    pub(crate) fn commit(&self, prepared: Prepared) {
        if let Prepared(Some(tools)) = prepared {
            self.0.tools.store(Arc::new(tools));
            self.0.pool.clear();
        }
    }

    /// Sends a request, and follows where it is redirected to.
    ///
    /// # Errors
    ///
    /// Every reason why it must not go out, or what went wrong.
    pub async fn send(&self, scope: Scope<'_>, request: Request) -> Result<Response, EgressError> {
        let limit = request.bounds.head;
        let sent = timeout(limit, self.follow(scope, request)).await;
        sent.unwrap_or_else(|_| Err(Failure::TooSlow(limit).into()))
    }

    async fn follow(&self, scope: Scope<'_>, request: Request) -> Result<Response, EgressError> {
        let bounds = request.bounds;
        let (mut reached, mut redirects) = (Vec::new(), 0);
        let mut hop = Hop::first(request);
        loop {
            let to = hop.target.destination().clone();
            let (place, response) = self.exchange(scope, &hop).await?;
            if reached.last() != Some(&to) {
                reached.push(to);
            }
            if bounds.redirects > 0
                && let Some(location) = redirect(response.status(), response.headers())
                && let Some(next) = hop.next(response.status(), location)?
            {
                if redirects == bounds.redirects {
                    return Err(Failure::TooManyRedirects(redirects).into());
                }
                (hop, redirects) = (next, redirects + 1);
                continue;
            }
            let (parts, incoming) = response.into_parts();
            let body = Body::new(&parts.headers, incoming, place, bounds)?;
            let headers = headers::received(parts.headers);
            return Ok(Response { status: parts.status, headers, target: hop.target, reached, body });
        }
    }

    /// One request and its answer's head.
    async fn exchange(
        &self,
        scope: Scope<'_>,
        hop: &Hop,
    ) -> Result<(body::Source, http::Response<hyper::body::Incoming>), EgressError> {
        let to = hop.target.destination();
        let admitted = self.admit(scope, to).map_err(EgressError::Refused)?;
        self.0.log.reported(scope, &admitted);
        let sending = self.0.tally.begin(scope.agent(), admitted.rule());
        let exchanged = self.exchange_admitted(scope, &admitted, hop).await;
        match &exchanged {
            Ok((_, response)) => sending.answered(response.status()),
            Err(error) => sending.failed(error),
        }
        exchanged
    }

    async fn exchange_admitted(
        &self,
        scope: Scope<'_>,
        admitted: &Admitted<'_>,
        hop: &Hop,
    ) -> Result<(body::Source, http::Response<hyper::body::Incoming>), EgressError> {
        let to = admitted.destination();
        let place = self.0.places.take(to).map_err(|refusal| EgressError::Refused(vec![refusal]))?;
        let tools = self.0.tools.load_full();
        let key = Key::new(scope.fingerprint(), to.clone(), tools.id);
        // One that was idle may turn out to have been closed meanwhile; it gives the
        // request back unsent then.
        while let Some(mut connection) = self.0.pool.take(&key) {
            match connection.send(hop.to_http()?).await {
                pool::Sent::Answered(response) => {
                    return Ok((body::Source::new(place, self.0.pool.clone(), key, connection), response));
                }
                pool::Sent::Unsent => {}
                pool::Sent::Failed(error) => return Err(error.into()),
            }
        }
        let addresses = tools.addresses(&to.host).await?;
        let checked =
            admitted.check(&addresses, |address| self.0.own.are_at(address)).map_err(|refusals| {
                self.0.log.addresses(scope, to, &addresses, &refusals);
                EgressError::Refused(refusals)
            })?;
        let mut connection = tools.connect(to, &checked).await?;
        match connection.send(hop.to_http()?).await {
            pool::Sent::Answered(response) => {
                Ok((body::Source::new(place, self.0.pool.clone(), key, connection), response))
            }
            pool::Sent::Unsent => Err(Failure::Closed(to.clone()).into()),
            pool::Sent::Failed(error) => Err(error.into()),
        }
    }

    /// Whether a request may go there, by its URL alone. What may not is logged and
    /// counted.
    ///
    /// # Errors
    ///
    /// Every reason why not.
    pub(crate) fn admit<'a>(&self, scope: Scope<'a>, to: &Destination) -> Result<Admitted<'a>, Vec<Refusal>> {
        scope.admit(to).inspect_err(|refusals| {
            self.0.log.refused(scope, to, refusals);
            self.0.tally.refused(scope.agent(), refusals);
        })
    }
}

/// Where a response redirects to, if it does.
fn redirect(status: StatusCode, headers: &HeaderMap) -> Option<&http::HeaderValue> {
    let redirects = [301, 302, 303, 307, 308].contains(&status.as_u16());
    redirects.then(|| headers.get(header::LOCATION)).flatten()
}

/// Whether the request may be made again without asking anybody.
fn is_safe(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}
