//! One request on its way through the gateway.

use std::{sync::Arc, time::Duration};

use plugin_contract::{
    PluginName,
    op::{ErrorCode, OpError},
};
use serde::de::DeserializeOwned;

use super::{
    Answer, Denial, Gateway,
    admission::Held,
    filter,
    flights::{Flight, Flights, Revocation},
    record::{Outcome, Recorder},
    reply::Reply,
};
use crate::{
    audit::{Admission, AuditUnavailable},
    conversation::Conversation,
    id::CallId,
    invocation::Invocation,
    limits::counters::Slot,
    policy::{Permit, Reason, Thing},
    principal::{Caller, Principal},
    redact::{Redaction, Redactor},
    registry::InvokeError,
    secret::TokenDigest,
    settings::Disclosure,
    snapshot::Snapshot,
};

/// How much of what a plugin says went wrong is passed on.
const MAX_ERROR_BYTES: usize = 4096;

/// A request under way, with the snapshot it began under. However it ends, it is
/// on record.
pub(super) struct Call {
    snapshot: Arc<Snapshot>,
    principal: Principal,
    token: TokenDigest,
    thing: Thing,
    flights: Arc<Flights>,
    flight: Option<Flight>,
    recorder: Recorder,
    redaction: Arc<Redaction>,
    /// What a plugin says passes it on the way to the client, if somebody wants that.
    filter: Option<Arc<Redactor>>,
}

/// What bounds a plugin's work on a request.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) timeout_seconds: u64,
    pub(super) max_response_bytes: u64,
    /// See [`Invocation::inline`].
    pub(super) inline: bool,
}

impl Call {
    pub(super) fn begin(gateway: &Gateway, id: CallId, caller: &Caller, thing: Thing, name: &str) -> Self {
        let Caller { principal, token, .. } = caller;
        let snapshot = gateway.live.load();
        let books = (gateway.log.clone(), gateway.audit.clone());
        let recorder = Recorder::new(books, id, caller, snapshot.generation, thing, name);
        let (principal, token, flights) = (principal.clone(), *token, gateway.flights.clone());
        let (redaction, filter) = (gateway.redaction.clone(), None);
        Self { snapshot, principal, token, thing, flights, flight: None, recorder, redaction, filter }
    }

    pub(super) fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// Notes the arguments, as JSON.
    pub(super) fn asked(&mut self, arguments: Vec<u8>) {
        self.recorder.asked(arguments);
    }

    /// See [`Self::asked`].
    pub(super) fn arguments(&self) -> &[u8] {
        self.recorder.arguments()
    }

    /// Done without a plugin.
    pub(super) fn done<T>(mut self, answer: T) -> Answer<T> {
        if let Err(reason) = self.recorder.allow_alone() {
            return self.refused(vec![reason]);
        }
        self.recorder.finish(Outcome::Ok);
        Answer::Done(answer)
    }

    pub(super) fn unknown<T>(mut self) -> Answer<T> {
        self.recorder.finish(Outcome::Unknown);
        Answer::Unknown
    }

    /// The engine said no, whatever the arguments: an opaque tenant's agents are
    /// not told that the thing exists.
    pub(super) fn denied<T>(mut self, reasons: Vec<Reason>) -> Answer<T> {
        let tenant = self.snapshot.settings.tenants.get(&self.principal.tenant);
        if tenant.is_some_and(|tenant| tenant.disclosure == Disclosure::Opaque) {
            self.recorder.deny(&reasons);
            return Answer::Unknown;
        }
        self.refused(reasons)
    }

    pub(super) fn refused<T>(mut self, reasons: Vec<Reason>) -> Answer<T> {
        self.recorder.deny(&reasons);
        Answer::Refused(Denial { generation: self.snapshot.generation, reasons })
    }

    /// The arguments do not fit.
    pub(super) fn invalid<T>(self, complaints: Vec<String>) -> Answer<T> {
        let name = self.recorder.name().to_owned();
        let reason = |complaint| Reason::InvalidArguments { complaint, name: name.clone() };
        self.refused(complaints.into_iter().map(reason).collect())
    }

    /// Has the plugin do it.
    pub(super) async fn run<T: DeserializeOwned + Reply>(
        mut self,
        permit: Permit,
        op: &'static str,
        input: Vec<u8>,
        conversation: Arc<dyn Conversation>,
        slot: Slot,
        bounds: Bounds,
    ) -> Answer<T> {
        let plugin = permit.plugin().clone();
        self.recorder.allow(&plugin);
        self.filter = permit.filters().redact_results.then(|| self.redaction.load());
        let conversation = filter::conversation(conversation, self.filter.as_ref());
        let timeout = Duration::from_secs(bounds.timeout_seconds);
        let Bounds { max_response_bytes, inline, .. } = bounds;
        let permit = Arc::new(permit);
        let flight = match self.flights.enter(permit.clone(), self.token) {
            Ok(flight) => self.flight.insert(flight),
            Err(revocation) => return self.revoked(revocation),
        };
        // INVARIANT: nothing runs before this.
        let recorded = match self.recorder.decide() {
            Admission::Recorded => Ok(Ok(())),
            Admission::Unavailable => Ok(Err(AuditUnavailable)),
            Admission::Pending(pending) => flight.unless_revoked(pending).await,
        };
        match recorded {
            Ok(Ok(())) => {}
            Ok(Err(AuditUnavailable)) => return self.unrecorded(),
            Err(revocation) => return self.revoked(revocation),
        }
        let notes = self.recorder.notes().clone();
        let invocation = Invocation {
            permit: permit.clone(),
            op,
            input,
            conversation,
            timeout,
            max_response_bytes,
            inline,
            slot,
            notes,
        };
        let invoked = match flight.unless_revoked(plugin.instance.invoke(invocation)).await {
            Ok(invoked) => invoked,
            Err(revocation) => return self.revoked(revocation),
        };
        self.flight = None;
        let bytes = match invoked {
            Ok(bytes) => bytes,
            Err(InvokeError::TimedOut { seconds }) => return self.timed_out(seconds),
            Err(InvokeError::TooLarge { bytes }) => {
                self.recorder.answered(bytes);
                return self.too_large(bytes, max_response_bytes);
            }
            Err(InvokeError::Plugin(error)) => return self.plugin_failed(error),
            Err(InvokeError::Lost { plugin, reason }) => return self.lost(plugin, reason),
        };
        let size = bytes.len() as u64;
        self.recorder.answered(size);
        if size > max_response_bytes {
            return self.too_large(size, max_response_bytes);
        }
        let name = &plugin.manifest.name;
        let Ok(mut reply) = serde_json::from_slice::<T>(&bytes) else {
            return self
                .failed(format!("plugin `{name}` answered something that this server does not understand"));
        };
        let filtered = self.filter.as_ref().is_some_and(|redactor| reply.redact(redactor));
        let size = match reply.settle(permit.subject()) {
            Ok(settled) => settled.unwrap_or(size),
            Err(complaints) => {
                let complaints = self.filtered(complaints.join("; "));
                return self.failed(if filtered {
                    format!("what is left of the result of plugin `{name}` without secrets and personal data breaks its output schema: {complaints}")
                } else {
                    format!("plugin `{name}` breaks its own output schema: {complaints}")
                });
            }
        };
        self.recorder.answered(size);
        if size > max_response_bytes {
            return self.too_large(size, max_response_bytes);
        }
        self.recorder.finish(if reply.is_error() { Outcome::ToolError } else { Outcome::Ok });
        Answer::Done(reply)
    }

    /// What is to be passed on of a plugin's words.
    fn filtered(&self, text: String) -> String {
        match &self.filter {
            Some(redactor) => redactor.text(&text).into_owned(),
            None => text,
        }
    }

    /// The decision is not on the audit, so that it was another one.
    fn unrecorded<T>(mut self) -> Answer<T> {
        self.recorder.disallow();
        self.refused(vec![Reason::AuditUnavailable])
    }

    fn revoked<T>(mut self, revocation: Revocation) -> Answer<T> {
        let Revocation { generation, revoked } = revocation;
        let reasons = vec![Reason::Revoked(revoked)];
        self.recorder.deny(&reasons);
        self.recorder.finish(Outcome::Revoked);
        Answer::Refused(Denial { generation, reasons })
    }

    /// What a tool's call is held to, once more: it did not keep to it.
    fn held(&self) -> Option<Held<'_>> {
        let is_tool = self.thing == Thing::Tool;
        is_tool.then(|| Held::new(&self.snapshot, &self.principal, self.recorder.name())).flatten()
    }

    fn timed_out<T>(self, seconds: u64) -> Answer<T> {
        let (tool, level) = (self.recorder.name().to_owned(), self.held().map(|held| held.timeout().1));
        match level {
            Some(level) => self.refused(vec![Reason::TimedOut { level, tool, seconds }]),
            None => {
                let message = format!("{} `{tool}` was not there after {seconds} s", self.thing);
                self.failed(message)
            }
        }
    }

    fn lost<T>(self, plugin: PluginName, reason: String) -> Answer<T> {
        match self.thing {
            Thing::Tool => self.refused(vec![Reason::WorkerLost { plugin, reason }]),
            _ => self.failed(InvokeError::Lost { plugin, reason }.to_string()),
        }
    }

    fn too_large<T>(self, bytes: u64, limit: u64) -> Answer<T> {
        match self.held().map(|held| held.response_too_large(bytes)) {
            Some(reasons) => self.refused(reasons),
            None => {
                let message = format!("the {} has {bytes} bytes, more than {limit}", self.thing);
                self.failed(message)
            }
        }
    }

    /// The plugin said that it failed. What a tool says is for the model; of the
    /// rest, a caller must be able to tell its own mistakes from others.
    fn plugin_failed<T>(mut self, mut error: OpError) -> Answer<T> {
        use ErrorCode::{ClientCannot, Denied, Failed, InputRequired, InvalidInput, NoAnswer, NotFound};
        self.recorder.answered(error.message.len() as u64);
        if let Some(reasons) = self.recorder.notes().refusal(&error) {
            return self.refused(reasons);
        }
        error.message = self.filtered(error.message);
        error.message.truncate(error.message.floor_char_boundary(MAX_ERROR_BYTES));
        match (self.thing, error.code) {
            (_, InputRequired | ClientCannot) => {
                self.recorder.finish(Outcome::Unanswered);
                Answer::Unanswered(error.message)
            }
            (Thing::Tool, Denied | Failed | InvalidInput | NotFound | NoAnswer) => {
                self.recorder.finish(Outcome::ToolError);
                Answer::Failed(error.message)
            }
            (Thing::Resource | Thing::Prompt, NotFound) => self.unknown(),
            (Thing::Resource | Thing::Prompt, InvalidInput) => self.invalid(vec![error.message]),
            (_, ErrorCode::Panicked) => self.broken(error.message),
            _ => self.failed(error.message),
        }
    }

    fn broken<T>(mut self, message: String) -> Answer<T> {
        self.recorder.finish(Outcome::Failed);
        Answer::Broken(message)
    }

    fn failed<T>(mut self, message: String) -> Answer<T> {
        self.recorder.finish(Outcome::Failed);
        Answer::Failed(message)
    }
}

impl Drop for Call {
    /// A revoked call may be dropped by whoever waited for it before it heard.
    fn drop(&mut self) {
        if let Some(revocation) = self.flight.as_mut().and_then(Flight::unheard) {
            self.recorder.deny(&[Reason::Revoked(revocation.revoked)]);
            self.recorder.finish(Outcome::Revoked);
        }
    }
}
