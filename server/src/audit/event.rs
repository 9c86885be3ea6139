//! The kinds of records.

/// What a record is about. `docs/audit.md` says what each has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The first record of a segment.
    Segment,
    /// The server's signature under all before it.
    Checkpoint,
    /// Another key signs from here on.
    Key,
    /// The server before this one left something to be set right.
    Recovery,
    /// Records cannot be written, so that calls are refused.
    Refusing,
    /// They can again.
    Gap,
    /// A segment was removed, as configured.
    Retention,
    /// The server has started.
    Start,
    /// It is about to stop.
    Stop,
    /// Another configuration is in force, or was to be.
    Reload,
    /// A plugin came, changed or went.
    Plugin,
    /// A plugin was not let in.
    PluginRefused,
    /// What agents began by was taken back.
    Revocation,
    /// An operator changed what counts as spent on models.
    Budget,
    /// Somebody had no valid token.
    AuthFailure,
    /// Many had none.
    AuthFailures,
    /// A call was let through or refused.
    Decision,
    /// A call that was let through has ended.
    Outcome,
    /// Many calls were refused because they came too fast.
    Refusals,
}

impl Event {
    /// All of them.
    pub(crate) const ALL: [Self; 19] = [
        Self::Segment,
        Self::Checkpoint,
        Self::Key,
        Self::Recovery,
        Self::Refusing,
        Self::Gap,
        Self::Retention,
        Self::Start,
        Self::Stop,
        Self::Reload,
        Self::Plugin,
        Self::PluginRefused,
        Self::Revocation,
        Self::Budget,
        Self::AuthFailure,
        Self::AuthFailures,
        Self::Decision,
        Self::Outcome,
        Self::Refusals,
    ];

    /// Whether it tells of the server itself, and so has room kept for it on a disk
    /// that is full. What agents and strangers do could fill that too.
    pub(crate) fn is_servers_own(self) -> bool {
        !matches!(
            self,
            Self::Decision | Self::Outcome | Self::Refusals | Self::AuthFailure | Self::AuthFailures
        )
    }

    /// The name used in records and metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Segment => "segment",
            Self::Checkpoint => "checkpoint",
            Self::Key => "key",
            Self::Recovery => "recovery",
            Self::Refusing => "refusing",
            Self::Gap => "gap",
            Self::Retention => "retention",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Reload => "reload",
            Self::Plugin => "plugin",
            Self::PluginRefused => "plugin_refused",
            Self::Revocation => "revocation",
            Self::Budget => "budget",
            Self::AuthFailure => "auth_failure",
            Self::AuthFailures => "auth_failures",
            Self::Decision => "decision",
            Self::Outcome => "outcome",
            Self::Refusals => "refusals",
        }
    }
}
