//! `limits`, at every level.

use std::{collections::BTreeMap, sync::Arc};

use super::{Compiler, Place};
use crate::{
    config::raw::RawLimits,
    limits::{EveryToolLimits, LimitCeilings, Limits, ToolLimits},
    pattern::Pattern,
};

impl Compiler<'_> {
    /// What is said of tools, by pattern.
    pub(super) fn tool_limits(
        &mut self,
        place: &Place,
        raw: &BTreeMap<String, RawLimits>,
    ) -> EveryToolLimits {
        let limits: BTreeMap<Pattern, _> =
            self.named(place, raw, |compiler, place, raw| Some(compiler.limits(place, raw)));
        limits.into_iter().map(|(tools, limits)| Arc::new(ToolLimits { tools, limits })).collect()
    }

    /// Those limits that are set.
    pub(super) fn limits(&mut self, place: &Place, raw: &RawLimits) -> LimitCeilings {
        let rate = raw.rate_limit.as_deref();
        LimitCeilings {
            max_payload_bytes: raw.max_payload_bytes,
            max_response_bytes: raw.max_response_bytes,
            timeout_seconds: raw.timeout_seconds,
            concurrency: raw.concurrency,
            rate: rate.and_then(|rate| self.parsed(&place.key("rate_limit"), "invalid_rate", rate)),
        }
    }
}

/// Of each limit the first that is set, or the default.
pub(super) fn first_of<'a>(levels: impl IntoIterator<Item = &'a LimitCeilings> + Clone) -> Limits {
    let standard = Limits::default();
    let levels = || levels.clone().into_iter();
    Limits {
        max_payload_bytes: levels()
            .find_map(|level| level.max_payload_bytes)
            .unwrap_or(standard.max_payload_bytes),
        max_response_bytes: levels()
            .find_map(|level| level.max_response_bytes)
            .unwrap_or(standard.max_response_bytes),
        timeout_seconds: levels().find_map(|level| level.timeout_seconds).unwrap_or(standard.timeout_seconds),
        concurrency: levels().find_map(|level| level.concurrency).unwrap_or(standard.concurrency),
        rate: levels().find_map(|level| level.rate).unwrap_or(standard.rate),
    }
}
