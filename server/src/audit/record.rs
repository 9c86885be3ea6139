//! What the records say: one type for each kind of event, as it is written. The
//! chain adds the last three keys of a line.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use server_core::{
    gateway::{CallRecord, Outcome},
    policy::Thing,
    redact::Redactor,
};

use super::{chain::Body, event::Event};

/// A record that is not about a call: its event, its time, and what it says.
#[derive(Serialize)]
struct Record<E> {
    event: &'static str,
    #[serde(serialize_with = "microseconds")]
    time: Timestamp,
    #[serde(flatten)]
    says: E,
}

/// The body of a record of which the server has made up every word itself.
pub(crate) fn body(event: Event, says: impl Serialize) -> Body {
    Body::of(&Record { event: event.as_str(), time: Timestamp::now(), says })
}

/// The body of a record that has words of others.
pub(crate) fn redacted(event: Event, says: impl Serialize, redactor: &Redactor) -> Body {
    Body::redacted(&Record { event: event.as_str(), time: Timestamp::now(), says }, redactor)
}

/// A decision, or what came of it.
#[derive(Serialize)]
struct Call<'a> {
    event: &'static str,
    #[serde(serialize_with = "microseconds")]
    time: Timestamp,
    call: CallName<'a>,
    agent: &'a str,
    tenant: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plugin: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plugin_sha256: Option<&'a str>,
    generation: u64,
    decision: &'static str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    reasons: &'a [&'static str],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    messages: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    request_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments_hmac: Option<String>,
    #[serde(flatten)]
    end: Option<End<'a>>,
}

/// How a call ended.
#[derive(Serialize)]
struct End<'a> {
    outcome: &'static str,
    response_bytes: u64,
    duration_us: u64,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    egress: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_nano_usd: Option<i64>,
}

/// A call's name, of which there is no other in any audit: the server's run, and
/// the number of the call in it.
struct CallName<'a>(&'a str, u64);

impl Serialize for CallName<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}-{}", self.0, self.1))
    }
}

/// The decision to let a call through, before it runs.
pub(crate) fn decided(
    run: &str,
    call: &CallRecord,
    arguments_hmac: Option<String>,
    redactor: &Redactor,
) -> Body {
    let record = Call {
        request_bytes: Some(call.request_bytes),
        arguments_hmac,
        ..Call::new(Event::Decision, run, call)
    };
    record.body(call, redactor)
}

/// How a call ended. Where no decision was on record, it is in this one.
pub(crate) fn ended(
    run: &str,
    call: &CallRecord,
    arguments_hmac: Option<String>,
    redactor: &Redactor,
) -> Body {
    let end = End {
        outcome: call.outcome.as_str(),
        response_bytes: call.response_bytes,
        duration_us: u64::try_from(call.duration.as_micros()).unwrap_or(u64::MAX),
        egress: &call.egress,
        cost_nano_usd: call.cost_nano_usd,
    };
    let event = event_of_end(call);
    let request_bytes = (!call.is_decided).then_some(call.request_bytes);
    let record = Call {
        end: Some(end),
        reasons: &call.reasons,
        messages: &call.messages,
        request_bytes,
        arguments_hmac,
        ..Call::new(event, run, call)
    };
    record.body(call, redactor)
}

/// What the last record of a call is.
pub(crate) fn event_of_end(call: &CallRecord) -> Event {
    if call.is_decided { Event::Outcome } else { Event::Decision }
}

impl<'a> Call<'a> {
    fn new(event: Event, run: &'a str, call: &'a CallRecord) -> Self {
        let named = |thing| (call.thing == thing).then_some(call.name.as_str());
        Self {
            event: event.as_str(),
            time: Timestamp::now(),
            call: CallName(run, call.call.0),
            agent: call.principal.agent.as_str(),
            tenant: call.principal.tenant.as_str(),
            address: call.address,
            tool: named(Thing::Tool),
            resource: named(Thing::Resource),
            prompt: named(Thing::Prompt),
            plugin: call.plugin.as_ref().map(|plugin| plugin.name.as_str()),
            plugin_sha256: call.plugin.as_ref().map(|plugin| plugin.sha256.as_str()),
            generation: call.generation.0,
            decision: if call.allowed { "allow" } else { "deny" },
            reasons: &[],
            messages: &[],
            request_bytes: None,
            arguments_hmac: None,
            end: None,
        }
    }
}

impl Call<'_> {
    /// Of most calls every word is the operator's, or one of a signed plugin. To
    /// look for secrets in those would cost more than all the rest of the record.
    fn body(&self, call: &CallRecord, redactor: &Redactor) -> Body {
        let is_called = call.plugin.is_some() && call.thing != Thing::Resource;
        if is_called && call.messages.is_empty() && call.egress.is_empty() {
            Body::of(self)
        } else {
            Body::redacted(self, redactor)
        }
    }
}

/// Whether a call was refused for coming too fast, which a client in a loop can
/// make happen without end.
pub(crate) fn is_too_fast(call: &CallRecord) -> bool {
    const CODES: [&str; 4] = ["rate_limited", "too_many_calls", "too_many_requests", "server_overloaded"];
    !call.is_decided
        && call.outcome == Outcome::Refused
        && call.reasons.iter().all(|reason| CODES.contains(reason))
}

pub(crate) fn microseconds<S: Serializer>(timestamp: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{timestamp:.6}"))
}
