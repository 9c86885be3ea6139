//! Tools whose calls go on after their request was answered.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use plugin_api::{Ask, CallError, prelude::*};

/// Long enough for the request to be answered meanwhile.
const A_WHILE: Duration = Duration::from_secs(1);

pub(crate) fn add(plugin: Plugin) -> Plugin {
    plugin
        .tool(Tool::new("greet", "Greets at once.", |_, input: Greet| format!("Hello, {}!", input.name)))
        .tool(Tool::new("slow_compute", "Computes for some seconds.", slow))
        .tool(Tool::new("failing_job", "Fails after a while.", |call, (): ()| -> Result<String, CallError> {
            call.must_detach()?;
            sleep(A_WHILE);
            Err(CallError::failed("the job failed"))
        }))
        .tool(Tool::new("protocol_error_job", "Breaks after a while.", broken))
        .tool(Tool::new("confirm_delete", "Asks, once it is on its own.", |call, input: Delete| {
            call.detach()?;
            let confirmed = given(call.ask("confirm", &Form::<Confirm>::new("Delete it?"))?)?.confirm;
            Ok::<_, CallError>(format!("{}: {confirmed}", input.filename))
        }))
        .tool(Tool::new("multi_input", "Asks two things, once it is on its own.", both))
        .tool(Tool::new("test_tool_with_task", "Asks, and then goes on alone.", |call, (): ()| {
            let name = given(call.ask("user_name", &Form::<Greet>::new("What is your name?"))?)?.name;
            call.must_detach()?;
            Ok::<_, CallError>(format!("Hello, {name}!"))
        }))
}

#[derive(Deserialize, JsonSchema)]
struct Greet {
    name: String,
}

#[derive(Deserialize, JsonSchema)]
struct Slow {
    seconds: f64,
    #[serde(default)]
    label: String,
}

#[derive(Deserialize, JsonSchema)]
struct Delete {
    filename: String,
}

#[derive(Deserialize, JsonSchema)]
struct Confirm {
    confirm: bool,
}

fn given<T>(elicited: Elicited<T>) -> Result<T, CallError> {
    match elicited {
        Elicited::Accept { content } => Ok(content),
        Elicited::Decline | Elicited::Cancel => Err(CallError::failed("you did not say")),
    }
}

fn slow(call: &Call, input: Slow) -> Result<String, CallError> {
    call.detach()?;
    let until = Instant::now() + Duration::from_secs_f64(input.seconds.clamp(0.0, 600.0));
    while Instant::now() < until {
        if call.is_cancelled() {
            call.log(LogLevel::Warn, "cancelled, and so it ends");
            return Err(CallError::failed("cancelled"));
        }
        sleep(Duration::from_millis(5));
    }
    Ok(format!("computed {}", input.label))
}

#[expect(clippy::panic, reason = "what a panic becomes is what is tested")]
fn broken(call: &Call, (): ()) -> Result<String, CallError> {
    call.must_detach()?;
    sleep(A_WHILE);
    panic!("on purpose")
}

fn both(call: &Call, (): ()) -> Result<String, CallError> {
    call.detach()?;
    let answers = call.ask_all([
        ("name", Form::<Greet>::new("Who?").question()),
        ("confirm", Form::<Confirm>::new("Sure?").question()),
    ])?;
    let name = given(answers.get::<Form<Greet>>("name")?)?.name;
    let confirmed = given(answers.get::<Form<Confirm>>("confirm")?)?.confirm;
    Ok(format!("{name}: {confirmed}"))
}
