//! Tools that say something while they run, and such that take their time.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use plugin_api::{Offered, prelude::*};

/// Between two steps of a tool that has some.
const STEP: Duration = Duration::from_millis(50);

pub(crate) fn add(plugin: Plugin) -> Plugin {
    plugin
        .tool(Tool::new("test_tool_with_logging", "Writes to the client's log.", logging))
        .tool(Tool::new("test_logging_tool", "Writes to the client's log.", logging))
        .tool(Tool::new("test_tool_with_progress", "Reports progress.", progress))
        .tool(Tool::new("test_slow", "Takes its time, until it is cancelled, and says how it went.", slow))
        .tool(Tool::new("test_flood", "Says more than anybody wants to hear.", flood))
        .tool(Tool::new("test_update_resource", "Says that the watched resource has changed.", update))
        .tool(Tool::new(
            "test_trigger_tool_change",
            "Withdraws a tool, or offers it again.",
            |call, (): ()| toggle(call, Offered::Tool("test_withdrawn_now_and_then".to_owned())),
        ))
        .tool(Tool::new(
            "test_trigger_prompt_change",
            "Withdraws a prompt, or offers it again.",
            |call, (): ()| toggle(call, Offered::Prompt("test_withdrawn_now_and_then".to_owned())),
        ))
        .tool(Tool::new("test_withdrawn_now_and_then", "Is there now and then.", |_, (): ()| "here"))
        .prompt(Prompt::new("test_withdrawn_now_and_then", "Is there now and then.", |_, (): ()| {
            "Are you there?".to_owned()
        }))
}

fn logging(call: &Call, (): ()) -> String {
    call.client_log(ClientLogLevel::Info, "Tool execution started");
    sleep(STEP);
    call.client_log(ClientLogLevel::Info, "Tool processing data");
    sleep(STEP);
    call.client_log(ClientLogLevel::Info, "Tool execution completed");
    "Tool with logging executed successfully".to_owned()
}

fn progress(call: &Call, (): ()) -> String {
    for done in [0.0, 50.0, 100.0] {
        call.progress(done, 100.0, format!("Completed step {done} of 100"));
        sleep(STEP);
    }
    "done".to_owned()
}

#[derive(Deserialize, JsonSchema)]
struct Slow {
    milliseconds: u64,
}

fn slow(call: &Call, input: Slow) -> Result<String, CallError> {
    call.log(LogLevel::Info, "it begins");
    let until = Instant::now() + Duration::from_millis(input.milliseconds);
    while Instant::now() < until {
        if call.is_cancelled() {
            call.log(LogLevel::Warn, "cancelled, and so it ends");
            return Err(CallError::failed("cancelled"));
        }
        sleep(Duration::from_millis(5));
    }
    Ok(format!("done with {} s left", call.remaining()?.as_secs()))
}

fn flood(call: &Call, (): ()) -> String {
    for step in 1..=1000 {
        call.progress(f64::from(step), None, "");
        call.client_log(ClientLogLevel::Error, "x".repeat(100_000));
    }
    "said".to_owned()
}

fn update(call: &Call, (): ()) -> Result<String, CallError> {
    call.resource_updated("test://watched-resource")?;
    Ok("told".to_owned())
}

/// There and back, since no state is kept that says which of both it is.
fn toggle(call: &Call, thing: Offered) -> Result<String, CallError> {
    call.offer(thing.clone(), false)?;
    call.offer(thing, true)?;
    Ok("changed".to_owned())
}
