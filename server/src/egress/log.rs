//! What operators read of requests that did not go out, or would not have: with
//! the addresses, which agents are not told.

use std::{net::IpAddr, time::Duration};

use server_core::egress::{Admitted, Destination, Refusal, Scope, classify};
use tracing::warn;

use crate::allowance::Allowance;

/// How many lines at once, and how fast that grows back: a plugin may try for ever.
const LINES: (u32, Duration) = (100, Duration::from_millis(200));

#[derive(Debug)]
pub(super) struct EgressLog(Allowance);

impl Default for EgressLog {
    fn default() -> Self {
        let (burst, interval) = LINES;
        Self(Allowance::new(burst, interval))
    }
}

impl EgressLog {
    pub(super) fn refused(&self, scope: Scope<'_>, to: &Destination, refusals: &[Refusal]) {
        if self.0.take() {
            let (agent, plugin, reasons) = (scope.agent(), scope.plugin(), codes(refusals));
            warn!(target: "egress", %agent, %plugin, %to, reasons, "a request was refused");
        }
    }

    pub(super) fn addresses(
        &self,
        scope: Scope<'_>,
        to: &Destination,
        addresses: &[IpAddr],
        refusals: &[Refusal],
    ) {
        if self.0.take() {
            let (agent, plugin, reasons) = (scope.agent(), scope.plugin(), codes(refusals));
            let told = |address: &IpAddr| format!("{address} ({})", classify(*address).as_str());
            let addresses = addresses.iter().map(told).collect::<Vec<_>>().join(", ");
            warn!(target: "egress", %agent, %plugin, %to, addresses, reasons, "a request was refused for where its host is");
        }
    }

    /// What rules that are only reported would have refused.
    pub(super) fn reported(&self, scope: Scope<'_>, admitted: &Admitted<'_>) {
        if !admitted.reported().is_empty() && self.0.take() {
            let (agent, plugin, to) = (scope.agent(), scope.plugin(), admitted.destination());
            let reasons = codes(admitted.reported());
            warn!(target: "egress", %agent, %plugin, %to, reasons, help = "add the host to `egress` before `egress_mode` becomes `enforce`", "a request would be refused");
        }
    }
}

fn codes(refusals: &[Refusal]) -> String {
    refusals.iter().map(Refusal::code).collect::<Vec<_>>().join(",")
}
