//! How far a call is, as its client hears it: from the plugin, and from the
//! server where the plugin says nothing, since clients give up on silence.

use std::time::Duration;

use plugin_contract::op::Progress;
use rmcp::model::{ProgressNotificationParam, ProgressToken};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// What a report by the server adds: progress must grow, and the server knows
/// nothing of how far it is.
const A_LITTLE: f64 = 1e-6;

/// The progress of one call.
pub(super) struct Reports {
    token: ProgressToken,
    began: Instant,
    silence: Interval,
    last: Option<f64>,
    total: Option<f64>,
}

impl Reports {
    /// Of a call that begins now, whose client gave `token`. The server reports
    /// where the plugin has been silent for `pace`.
    pub(super) fn new(token: ProgressToken, pace: Duration) -> Self {
        let began = Instant::now();
        let mut silence = interval_at(began + pace, pace);
        silence.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { token, began, silence, last: None, total: None }
    }

    /// What the client hears of the plugin's report: nothing, if it is none.
    pub(super) fn plugin(&mut self, report: Progress) -> Option<ProgressNotificationParam> {
        if self.last.is_some_and(|last| report.progress <= last) {
            return None;
        }
        self.silence.reset();
        self.total = report.total.or(self.total);
        Some(self.report(report.progress, report.message))
    }

    /// Waits until the plugin has been silent for too long, and answers what the
    /// client hears instead.
    pub(super) async fn server(&mut self) -> ProgressNotificationParam {
        let now = self.silence.tick().await;
        let progress = self.last.map_or(A_LITTLE, |last| (last + A_LITTLE).max(last.next_up()));
        let seconds = now.duration_since(self.began).as_secs();
        self.report(progress, Some(format!("still running after {seconds} s")))
    }

    fn report(&mut self, progress: f64, message: Option<String>) -> ProgressNotificationParam {
        self.last = Some(progress);
        let mut param = ProgressNotificationParam::new(self.token.clone(), progress);
        param.total = self.total;
        param.message = message;
        param
    }
}

#[cfg(test)]
mod tests {
    use rmcp::model::NumberOrString;
    use tokio::time::{advance, timeout};

    use super::*;

    const PACE: Duration = Duration::from_secs(10);

    fn reports() -> Reports {
        Reports::new(ProgressToken(NumberOrString::Number(7)), PACE)
    }

    fn report(progress: f64) -> Progress {
        Progress { progress, total: Some(100.0), message: None }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_call_is_reported_every_ten_seconds_and_always_a_little_further() {
        let mut reports = reports();
        let mut last = 0.0;
        for seconds in [10, 20, 30, 40, 50, 60, 70] {
            let began = Instant::now();
            let report = reports.server().await;
            assert_eq!(began.elapsed(), PACE);
            assert!(report.progress > last, "{} after {last}", report.progress);
            assert_eq!(report.message, Some(format!("still running after {seconds} s")));
            last = report.progress;
        }
        assert!(last < 0.001, "so that whatever the plugin says first is more");
    }

    #[tokio::test(start_paused = true)]
    async fn a_plugin_that_reports_keeps_the_server_silent() {
        let mut reports = reports();
        for progress in [0.0, 50.0, 100.0] {
            assert!(timeout(PACE - Duration::from_secs(1), reports.server()).await.is_err());
            let report = reports.plugin(report(progress)).unwrap();
            assert_eq!((report.progress, report.total), (progress, Some(100.0)));
        }
        let report = reports.server().await;
        assert!(report.progress > 100.0 && report.progress < 100.01, "{}", report.progress);
        assert_eq!(report.total, Some(100.0));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_no_progress_is_not_reported() {
        let mut reports = reports();
        assert!(reports.plugin(report(5.0)).is_some());
        for progress in [5.0, 4.0, -1.0] {
            assert_eq!(reports.plugin(report(progress)), None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn large_numbers_grow_too() {
        let mut reports = reports();
        reports.plugin(report(1e300)).unwrap();
        advance(PACE).await;
        assert!(reports.server().await.progress > 1e300);
    }
}
