//! Tools that ask the client.

use plugin_api::{Answered, Ask, CallError, ClientRoots, Sampling, prelude::*};

pub(crate) fn add(plugin: Plugin) -> Plugin {
    plugin
        .tool(Tool::new("test_sampling", "Asks the client's model.", |call, input: Prompted| {
            Ok::<_, CallError>(format!("LLM response: {}", sample(call, "answer", &input.prompt)?))
        }))
        .tool(Tool::new("test_input_required_result_sampling", "Asks the client's model.", |call, (): ()| {
            sample(call, "capital_question", "What is the capital of France?")
        }))
        .tool(Tool::new("test_missing_capability", "Needs the client's model.", |call, (): ()| {
            sample(call, "greeting", "Say hello.")
        }))
        .tool(Tool::new("test_input_required_result_elicitation", "Asks for a name.", name))
        .tool(Tool::new("test_streaming_elicitation", "Asks for a name.", name))
        .tool(Tool::new("test_input_required_result_list_roots", "Asks for the client's folders.", roots))
        .tool(Tool::new("test_input_required_result_request_state", "Asks for consent.", consent))
        .tool(Tool::new("test_input_required_result_tampered_state", "Asks for consent.", consent))
        .tool(Tool::new("test_input_required_result_multiple_inputs", "Asks for much at once.", much))
        .tool(Tool::new("test_input_required_result_multi_round", "Asks one thing after another.", rounds))
        .tool(Tool::new("test_asks_without_end", "Asks, and never mind the answers.", without_end))
        .tool(Tool::new("test_input_required_result_capabilities", "Asks what it can.", what_it_can))
}

#[derive(Deserialize, JsonSchema)]
struct Prompted {
    /// What to ask the model.
    prompt: String,
}

#[derive(Deserialize, JsonSchema)]
struct Name {
    name: String,
}

#[derive(Deserialize, JsonSchema)]
struct Colour {
    color: String,
}

#[derive(Deserialize, JsonSchema)]
struct Consent {
    ok: bool,
}

fn question(prompt: &str) -> Sampling {
    Sampling { messages: vec![PromptMessage::user(prompt)], max_tokens: 100, ..Sampling::default() }
}

fn sample(call: &Call, key: &str, prompt: &str) -> Result<String, CallError> {
    Ok(text(call.ask(key, &question(prompt))?.content))
}

fn text(content: Content) -> String {
    match content {
        Content::Text { text, .. } => text,
        _ => "something that is no text".to_owned(),
    }
}

fn given<T>(elicited: Elicited<T>) -> Result<T, CallError> {
    match elicited {
        Elicited::Accept { content } => Ok(content),
        Elicited::Decline | Elicited::Cancel => Err(CallError::failed("you did not say")),
    }
}

fn name(call: &Call, (): ()) -> Result<String, CallError> {
    let name = given(call.ask("user_name", &Form::<Name>::new("What is your name?"))?)?;
    Ok(format!("Hello, {}!", name.name))
}

fn roots(call: &Call, (): ()) -> Result<String, CallError> {
    Ok(format!("Found {} root(s)", call.ask("client_roots", &ClientRoots)?.roots.len()))
}

fn consent(call: &Call, (): ()) -> Result<String, CallError> {
    let consent = given(call.ask("confirm", &Form::<Consent>::new("Please confirm"))?)?;
    Ok(format!("state-ok: you said {}", consent.ok))
}

fn much(call: &Call, (): ()) -> Result<String, CallError> {
    let answers: Answered = call.ask_all([
        ("user_name", Form::<Name>::new("What is your name?").question()),
        ("greeting", question("Generate a greeting").question()),
        ("client_roots", ClientRoots.question()),
    ])?;
    let name = given(answers.get::<Form<Name>>("user_name")?)?.name;
    let greeting = text(answers.get::<Sampling>("greeting")?.content);
    let roots = answers.get::<ClientRoots>("client_roots")?.roots.len();
    Ok(format!("Name: {name}; Greeting: {greeting}; Roots: {roots}"))
}

fn rounds(call: &Call, (): ()) -> Result<String, CallError> {
    let name = given(call.ask("step1", &Form::<Name>::new("Step 1: What is your name?"))?)?.name;
    let colour =
        given(call.ask("step2", &Form::<Colour>::new("Step 2: What is your favorite color?"))?)?.color;
    Ok(format!("{name} likes {colour}"))
}

fn what_it_can(call: &Call, (): ()) -> Result<String, CallError> {
    let client = call.client()?;
    let mut said = Vec::new();
    if client.sampling {
        said.push(sample(call, "greeting", "Generate a greeting")?);
    }
    if client.elicitation {
        said.push(name(call, ())?);
    }
    Ok(said.join("; "))
}

fn without_end(call: &Call, (): ()) -> Result<String, CallError> {
    for n in 0..99 {
        let _ = call.ask(&format!("question {n}"), &ClientRoots);
    }
    Ok(format!("{} root(s)", call.ask("the last question", &ClientRoots)?.roots.len()))
}
