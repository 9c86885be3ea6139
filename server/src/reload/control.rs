//! Asking the pipeline for a reload, and what it answers.

use std::fmt;

use serde::Serialize;
use server_core::{config::Problem, registry::Refusal};
use tokio::sync::{mpsc, oneshot};

/// How many orders may wait; whoever comes after them waits to be heard.
const WAITING: usize = 16;

/// Asks the pipeline. A clone asks the same one.
#[derive(Clone, Debug)]
pub struct Control(mpsc::Sender<Order>);

/// What the pipeline is asked for, and where its answer goes.
#[derive(Debug)]
pub(super) enum Order {
    Reload(Ask, oneshot::Sender<Report>),
    Rollback(Option<u64>, Ask, oneshot::Sender<Report>),
}

/// A wish for a reload, now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// Say what would come of it, and change nothing.
    pub dry_run: bool,
    /// Only if this is the SHA-256 of the configuration in force.
    pub if_match: Option<String>,
    /// The SHA-256 of a configuration that may come into force although
    /// `reload.hold` would hold it.
    pub confirm: Option<String>,
    /// Who it is that wishes, for the record.
    pub by: Option<String>,
}

/// What made the pipeline look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// The start of the server.
    Start,
    /// A file that changed, or a key that expired.
    File,
    /// SIGHUP.
    Signal,
    /// `reload` or `POST /reload`.
    Command,
    /// `rollback` or `POST /rollback`.
    Rollback,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is in force. In a dry run: it would be.
    Applied,
    /// What the files hold is in force already.
    #[default]
    Unchanged,
    /// It cannot be used; what was in force is.
    Refused,
    /// It waits for a confirmation.
    Held,
    /// Another configuration is in force than the one that was named.
    Mismatch,
}

/// The whole answer.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// What came of it.
    pub result: Outcome,
    /// Whether it was asked for without changing anything.
    pub dry_run: bool,
    /// The generation in force now.
    pub generation: u64,
    /// SHA-256 of the configuration in force now.
    pub config_sha256: String,
    /// SHA-256 of the configuration that was read, where that is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidate_sha256: Option<String>,
    /// Why it is not in force, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What is wrong with the configuration, or probably not meant.
    pub problems: Vec<Problem>,
    /// Who gains or loses what, a sentence each.
    pub changes: Vec<String>,
    /// Plugins that are not loaded, or not as their files have them.
    pub plugins_refused: Vec<RefusedPlugin>,
}

/// A plugin that was refused, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefusedPlugin {
    /// Its file or folder.
    pub place: String,
    /// A stable name for the reason.
    pub code: &'static str,
    /// The reason.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

impl From<&Refusal> for RefusedPlugin {
    fn from(refusal: &Refusal) -> Self {
        Self {
            place: refusal.place.display().to_string(),
            code: refusal.code,
            message: refusal.message.clone(),
            help: refusal.help.clone(),
        }
    }
}

/// A way to ask, and where the questions arrive.
pub(super) fn channel() -> (Control, mpsc::Receiver<Order>) {
    let (asking, orders) = mpsc::channel(WAITING);
    (Control(asking), orders)
}

impl Control {
    /// Reads the files now, and answers once what they hold is in force or
    /// refused.
    pub async fn reload(&self, ask: Ask) -> Report {
        self.order(|answer| Order::Reload(ask, answer)).await
    }

    /// Puts the configuration of an earlier generation in force, by default the
    /// one before, until the files change.
    pub async fn rollback(&self, to: Option<u64>, by: Option<String>) -> Report {
        let ask = Ask { by, ..Ask::default() };
        self.order(|answer| Order::Rollback(to, ask, answer)).await
    }

    async fn order(&self, order: impl FnOnce(oneshot::Sender<Report>) -> Order) -> Report {
        let (answer, answered) = oneshot::channel();
        // An order that was not taken has to go: it would be waited for for ever.
        let sent = self.0.send(order(answer)).await.is_ok();
        match answered.await {
            Ok(report) if sent => report,
            _ => Report {
                result: Outcome::Refused,
                reason: Some("the server is stopping, or has no files to reload".to_owned()),
                ..Report::default()
            },
        }
    }
}

impl Trigger {
    /// The name used in the log and the metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::File => "file",
            Self::Signal => "signal",
            Self::Command => "command",
            Self::Rollback => "rollback",
        }
    }
}

impl Outcome {
    /// The name used in the log and the metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
            Self::Held => "held",
            Self::Mismatch => "mismatch",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn who_asks_where_nobody_listens_any_more_is_told_so() {
        let (control, orders) = channel();
        drop(orders);
        let report = timeout(Duration::from_secs(30), control.reload(Ask::default())).await.unwrap();
        assert_eq!(report.result, Outcome::Refused);
    }
}
