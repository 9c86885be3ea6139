//! Limits on calls, and how much of them is used.

use std::fmt;

use server_core::gateway::{Gateway, LimitsInUse};

use super::Writer;

pub(super) fn write(to: &mut Writer<'_, '_>, gateway: &Gateway) -> fmt::Result {
    let all = gateway.limits_in_use();
    let of = |value: fn(&LimitsInUse) -> u32| {
        all.iter().map(move |it| ([("agent", it.agent.to_string())], u64::from(value(it))))
    };
    to.gauges("mcp_tool_calls_running", "Calls of tools under way", of(|it| it.running))?;
    to.gauges("mcp_tool_calls_limit", "Calls of tools that may be under way", of(|it| it.concurrency))?;
    let help = "Calls of tools that could begin now, as far as `rate_limit` is concerned";
    to.gauges("mcp_rate_remaining_calls", help, of(|it| it.rate_left))?;
    let help = "Calls of tools that may begin at once, if there have been none for a while";
    to.gauges("mcp_rate_limit_calls", help, of(|it| it.rate.burst()))?;
    let help = "Calls of all agents under way, of those that `server.max_calls` is about";
    to.gauge("server_calls_running", help, u64::from(gateway.places_taken()))?;
    let most = gateway.live().load().settings.server.load.max_calls;
    to.gauge("server_calls_limit", "`server.max_calls`", u64::from(most))
}
