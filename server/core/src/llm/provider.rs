//! What asking a provider means, whoever it is.

use std::time::Duration;

use futures::future::BoxFuture;

use super::{ModelName, ProviderSettings, price::Usage};
use crate::policy::{Permit, Reason};

/// A way to speak to providers of one kind.
pub trait Provider: Send + Sync {
    /// Asks a model. Dropping the future ends the request.
    ///
    /// Whoever implements it tells the listener before the request goes out, since
    /// from then on it may cost something.
    fn ask<'a>(
        &'a self,
        question: &'a Question<'a>,
        listener: &'a dyn Listener,
    ) -> BoxFuture<'a, Result<Reply, ProviderError>>;
}

/// One request to a model.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Where to, and with which key.
    pub provider: &'a ProviderSettings,
    /// Which model.
    pub model: &'a ModelName,
    /// On whose behalf: the way out is judged by it.
    pub permit: &'a Permit,
    /// What is asked.
    pub prompt: &'a str,
    /// How to answer.
    pub system: Option<&'a str>,
    /// The most tokens to answer with. Always set in what is sent, so that what
    /// was reserved for it is a limit.
    pub max_tokens: u64,
    /// How freely to answer.
    pub temperature: Option<f64>,
    /// How long it may take.
    pub timeout: Duration,
}

/// Hears of a request while it runs.
pub trait Listener: Send + Sync {
    /// The request goes there now, and may reach it.
    fn sent(&self, destination: &str);

    /// A piece of the answer.
    fn text(&self, piece: &str);

    /// What the provider says has been used so far.
    fn used(&self, usage: Usage);
}

/// A model's answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// What it says.
    pub text: String,
    /// What it used, if the provider says so.
    pub usage: Option<Usage>,
    /// It stopped because it had no more tokens.
    pub is_cut: bool,
}

/// Why there is no answer. What a provider says of it goes on to the caller,
/// without keys, headers and URLs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// The way there is not allowed.
    #[error("the way to the provider is not allowed")]
    Refused(Vec<Reason>),
    /// It could not be reached: nothing was sent.
    #[error("it could not be reached: {0}")]
    Unreachable(String),
    /// It answered that it would not, and charges nothing.
    #[error("it answered {status}: {message}")]
    Status {
        /// The status of HTTP.
        status: u16,
        /// What it said.
        message: String,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// There was no answer in time.
    #[error("there was no answer in time")]
    TimedOut,
    /// The answer broke off.
    #[error("the answer broke off: {0}")]
    CutOff(String),
    /// The answer is none.
    #[error("the answer could not be understood: {0}")]
    Malformed(String),
}

impl ProviderError {
    /// What speaks for trying again.
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Status { status: 408 | 425 | 429 | 500..=599, .. }
            | Self::Unreachable(_)
            | Self::TimedOut
            | Self::CutOff(_) => Remedy::Again,
            // Wrong for this provider or model; another may do it.
            Self::Refused(_) | Self::Malformed(_) | Self::Status { status: 401..=404, .. } => {
                Remedy::Elsewhere
            }
            Self::Status { .. } => Remedy::None,
        }
    }

    /// Whether it says that the provider is not well.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Status { status, .. } => *status >= 500,
            Self::Unreachable(_) | Self::TimedOut | Self::CutOff(_) | Self::Malformed(_) => true,
            Self::Refused(_) => false,
        }
    }

    /// A stable name for metrics.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Unreachable(_) => "unreachable",
            Self::Status { status: 429, .. } => "rate_limited",
            Self::Status { .. } => "rejected",
            Self::TimedOut => "timed_out",
            Self::CutOff(_) => "cut_off",
            Self::Malformed(_) => "malformed",
        }
    }

    /// When the provider wants to be asked again.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether the provider charges nothing for it for sure.
    #[must_use]
    pub fn is_free(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Unreachable(_) | Self::Status { .. })
    }
}

/// What may help against an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// The same request, a little later or elsewhere.
    Again,
    /// The same request to another model.
    Elsewhere,
    /// Nothing: the request is at fault.
    None,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_may_help_whether_it_costs_and_whether_it_is_an_outage() {
        use Remedy::{Again, Elsewhere, None as Nothing};
        let status = |status| ProviderError::Status { status, message: String::new(), retry_after: None };
        for (error, remedy, is_free, is_outage) in [
            (status(400), Nothing, true, false),
            (status(401), Elsewhere, true, false),
            (status(404), Elsewhere, true, false),
            (status(408), Again, true, false),
            (status(413), Nothing, true, false),
            (status(429), Again, true, false),
            (status(500), Again, true, true),
            (status(529), Again, true, true),
            (ProviderError::Unreachable(String::new()), Again, true, true),
            (ProviderError::TimedOut, Again, false, true),
            (ProviderError::CutOff(String::new()), Again, false, true),
            (ProviderError::Malformed(String::new()), Elsewhere, false, true),
            (ProviderError::Refused(Vec::new()), Elsewhere, true, false),
        ] {
            assert_eq!(
                (error.remedy(), error.is_free(), error.is_outage()),
                (remedy, is_free, is_outage),
                "{error:?}"
            );
        }
    }
}
