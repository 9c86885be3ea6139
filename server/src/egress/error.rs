//! Why a request has no answer.

use std::time::Duration;

use server_core::egress::{Destination, Host, HostName, Refusal};

/// It must not go out, or it went wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// Every reason why it must not go out.
    #[error("{}", lines(.0))]
    Refused(Vec<Refusal>),
    /// It was tried.
    #[error(transparent)]
    Failed(#[from] Failure),
}

fn lines(refusals: &[Refusal]) -> String {
    refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// What went wrong. None of it says which address a name has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// No such name.
    #[error("there is no host `{0}`")]
    NoSuchHost(HostName),
    /// Nobody knows.
    #[error("`{host}` cannot be looked up: {reason}")]
    Lookup {
        /// Which name.
        host: HostName,
        /// Why.
        reason: &'static str,
    },
    /// No connection.
    #[error("no connection to `{to}`: {reason}")]
    Connect {
        /// Where to.
        to: Destination,
        /// Why.
        reason: String,
    },
    /// It does not show that it is who it should be.
    #[error("no TLS with `{host}`: {reason}")]
    Tls {
        /// Who.
        host: Host,
        /// Why.
        reason: String,
    },
    /// It was closed.
    #[error("`{0}` closed the connection before it answered")]
    Closed(Destination),
    /// It does not speak HTTP as it should.
    #[error("`{to}` does not answer as it should: {reason}")]
    Protocol {
        /// Who.
        to: Destination,
        /// How.
        reason: String,
    },
    /// No answer in time.
    #[error("there was no answer within {}", seconds(*.0))]
    TooSlow(Duration),
    /// The answer stopped.
    #[error("nothing more came for {}", seconds(*.0))]
    Stalled(Duration),
    /// The answer is too large.
    #[error("the answer has more than {0} bytes")]
    TooLarge(u64),
    /// The answer is packed in a way that is not understood.
    #[error("the answer is packed as `{0}`, which was not asked for")]
    Encoding(String),
    /// It was sent around in circles.
    #[error("more than {0} redirects")]
    TooManyRedirects(u32),
    /// The request cannot be written.
    #[error("the request cannot be sent: {0}")]
    Request(String),
}

impl Failure {
    /// A stable name for metrics.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoSuchHost(_) => "no_such_host",
            Self::Lookup { .. } => "lookup_failed",
            Self::Connect { .. } => "connect_failed",
            Self::Tls { .. } => "tls_failed",
            Self::Closed(_) => "connection_closed",
            Self::Protocol { .. } => "protocol_error",
            Self::TooSlow(_) => "timed_out",
            Self::Stalled(_) => "stalled",
            Self::TooLarge(_) => "answer_too_large",
            Self::Encoding(_) => "unknown_encoding",
            Self::TooManyRedirects(_) => "too_many_redirects",
            Self::Request(_) => "invalid_request",
        }
    }
}

fn seconds(duration: Duration) -> String {
    match duration.subsec_millis() {
        0 => format!("{} s", duration.as_secs()),
        _ => format!("{:.1} s", duration.as_secs_f64()),
    }
}
