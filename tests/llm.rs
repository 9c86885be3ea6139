//! Asking models through a running server.

use serde_json::{Value, json};

use crate::{
    redaction::{kept, leaks, printed, written},
    support::{
        LAPTOP, Server,
        client::{Client, Era},
        eventually,
        models::Models,
    },
};

mod budgets;
mod metrics;
mod others;
mod providers;
mod reloads;

/// Every model costs $1 a million tokens in, $0.10 cached, $5 out: what the
/// provider tells comes to $0.00332.
const PRICE: &str = "input: 1.00, cached_input: 0.10, cache_write: 1.25, output: 5.00, max_output: 8000";

/// A server whose `laptop` may ask the models of a provider on this machine.
struct World {
    models: Models,
    server: Server,
}

pub(crate) fn config(models: &Models) -> String {
    let address = models.address;
    format!(
        r#"version: 1
server: {{ listen: "127.0.0.1:0" }}
admin: {{ listen: "127.0.0.1:0", token: "${{REVIEWER_TOKEN}}" }}
llm:
  providers:
    anthropic: {{ base_url: "http://{address}", api_key: "${{LLM_KEY}}", models: {{ m: {{ {PRICE} }} }} }}
    openai: {{ base_url: "http://{address}/v1", api_key: "${{LLM_KEY}}", models: {{ m: {{ {PRICE} }}, unpriced: {{}} }} }}
    local: {{ base_url: "http://{address}/v1", models: {{ m: {{ {PRICE} }}, other: {{ {PRICE} }} }} }}
    keyless: {{ api: openai_responses, base_url: "http://{address}/v1", api_key: "${{KEYLESS_API_KEY}}", models: {{ k: {{ {PRICE} }} }} }}
  aliases: {{ fast: local/m }}
  routes: {{ smart: [openai/m, local/m] }}
tenants:
  research:
    tools: ["*"]
    capabilities: ["llm:query"]
    egress: ["http://{address}"]
    budget: {{ max_cost_per_day: 20 }}
agents:
  laptop:
    tenant: research
    token: "${{LAPTOP_TOKEN}}"
    tools: ["llm.query", "core.echo"]
    capabilities: ["llm:query"]
    egress: ["http://{address}"]
    llm: {{ models: {{ anthropic: ["*"], openai: ["*"], local: ["m"], keyless: ["*"] }}, max_tokens_per_request: 1000, max_cost_per_day: 1.00 }}
"#
    )
}

impl World {
    fn new() -> Self {
        Self::with(|config| config)
    }

    fn with(change: impl FnOnce(String) -> String) -> Self {
        let models = Models::start();
        let server = Server::start_with(&change(config(&models)), |_, command| {
            command.env("LLM_KEY", "key-0123456789");
        });
        Self { models, server }
    }

    async fn client(&self) -> Client {
        Client::connect(&self.server, LAPTOP, Era::Stateless).await
    }

    /// What comes of a question: the answer's texts, or `code: message` of every
    /// reason, or what went wrong.
    async fn ask(&self, arguments: Value) -> Vec<String> {
        self.ask_by("llm.query", arguments).await
    }

    /// The same through another tool.
    async fn ask_by(&self, tool: &str, arguments: Value) -> Vec<String> {
        let result = self.client().await.call(tool, arguments).await.unwrap();
        let result = serde_json::to_value(&result).unwrap();
        let reasons = result["_meta"]["mcp-universal-server/denial"]["reasons"].as_array();
        let said = |reason: &Value| {
            format!("{}: {}", reason["code"].as_str().unwrap(), reason["message"].as_str().unwrap())
        };
        match reasons {
            Some(reasons) => reasons.iter().map(said).collect(),
            None => {
                let content = result["content"].as_array().unwrap().iter();
                content.map(|it| it["text"].as_str().unwrap().to_owned()).collect()
            }
        }
    }

    /// What is left of each budget, as the agent reads of itself.
    async fn remaining(&self) -> String {
        let request = rmcp::model::ReadResourceRequestParams::new("about://policies");
        let read = self.client().await.0.read_resource(request).await;
        let read = serde_json::to_value(read.unwrap()).unwrap();
        let about: Value = serde_json::from_str(read["contents"][0]["text"].as_str().unwrap()).unwrap();
        let left = |budget: &Value| {
            format!(
                "{} {} {}",
                budget["owner"].as_str().unwrap(),
                budget["period"].as_str().unwrap(),
                budget["remaining"].as_str().unwrap()
            )
        };
        about["llm"]["budgets"].as_array().unwrap().iter().map(left).collect::<Vec<_>>().join(", ")
    }
}

fn question(model: &str, prompt: &str) -> Value {
    json!({ "model": model, "prompt": prompt })
}

#[tokio::test]
async fn each_interface_answers_with_what_was_used_and_what_it_cost() {
    let world = World::new();
    for (model, path, key) in [
        ("anthropic/m", "/v1/messages", ("x-api-key", "key-0123456789")),
        ("openai/m", "/v1/responses", ("authorization", "Bearer key-0123456789")),
        ("local/m", "/v1/chat/completions", ("authorization", "")),
    ] {
        let said = world.ask(question(model, "hello")).await;
        let [text, about] = said.as_slice() else { panic!("{said:?}") };
        assert_eq!(text, "Hello!", "{model}");
        let expected = format!("{model}: 1000 tokens in, 200 of them cached, 500 out; $0.00332; ");
        assert!(about.starts_with(&expected), "{about}");
        let asked = world.models.asked().pop().unwrap();
        assert_eq!(asked.path, path);
        let sent = asked.headers.get(key.0).map_or("", |value| value.to_str().unwrap());
        assert_eq!(sent, key.1, "{model}");
    }
}

/// Without one, what was reserved for the answer would be no limit.
#[tokio::test]
async fn a_number_of_tokens_is_always_sent_and_never_more_than_the_agent_may_have() {
    let world = World::new();
    for (model, key) in
        [("anthropic/m", "max_tokens"), ("openai/m", "max_output_tokens"), ("local/m", "max_tokens")]
    {
        for (asked_for, sent) in [(json!(null), 1000), (json!(7), 7), (json!(5000), 1000)] {
            let mut question = question(model, "hello");
            if !asked_for.is_null() {
                question["max_tokens"] = asked_for;
            }
            world.ask(question).await;
            assert_eq!(world.models.asked().pop().unwrap().body[key], sent, "{model}");
        }
    }
}

#[tokio::test]
async fn instructions_and_temperature_go_along() {
    let world = World::new();
    for (model, expected) in [
        ("anthropic/m", json!("Be short.")),
        ("openai/m", json!("Be short.")),
        ("local/m", json!({ "role": "system", "content": "Be short." })),
    ] {
        world
            .ask(json!({ "model": model, "prompt": "hello", "system": "Be short.", "temperature": 0.5 }))
            .await;
        let body = world.models.asked().pop().unwrap().body;
        let found = [&body["system"], &body["instructions"], &body["messages"][0]];
        assert!(found.contains(&&expected), "{body}");
        assert_eq!(body["temperature"], 0.5);
    }
}

#[tokio::test]
async fn what_an_agent_may_not_ask_is_denied_with_the_reason_and_nothing_is_sent() {
    let world = World::new();
    for (question, expected) in [
        (
            question("local/other", "hello"),
            "model_not_granted_to_agent: agent `laptop` is not granted model `local/other`",
        ),
        (question("mistral", "hello"), "unknown_model: there is no model `mistral`"),
        (
            question("unpriced", "hello"),
            "unpriced_model: model `openai/unpriced` has no price, so nobody can say what it would cost",
        ),
        (question("k", "hello"), "no_api_key: provider `keyless` has no API key"),
        (question("m", "hello"), "ambiguous_model: several providers have a model `m`"),
        (
            question("fast", &"=== src/a.rs ===\nfn a() {}\n".repeat(3000)),
            "payload_too_large: the arguments have 87028 bytes, and agent `laptop` may send 65536",
        ),
    ] {
        assert_eq!(world.ask(question).await, [expected]);
    }
    let pasted: String = (0..20)
        .map(|file| format!("diff --git a/{file}.rs b/{file}.rs\n@@ -1,2 +1,2 @@\n-a\n+b\n"))
        .collect();
    assert_eq!(
        world.ask(question("fast", &pasted)).await,
        ["pasted_repository: the prompt looks like a pasted repository: 20 file headers, 20 hunks"]
    );
    assert_eq!(world.models.asked().len(), 0);
}

#[tokio::test]
async fn a_provider_that_is_not_on_the_agent_s_egress_list_is_denied_with_that_reason() {
    let world = World::with(|config| {
        let (before, after) = config.rsplit_once("    egress: [\"http://").unwrap();
        let (_, after) = after.split_once('\n').unwrap();
        format!("{before}{after}")
    });
    let expected = format!("agent `laptop` may not reach `{}`", world.models.address);
    let said = world.ask(question("fast", "hello")).await;
    assert!(said.len() == 1 && said[0].ends_with(&expected), "{said:?}");
    assert_eq!(world.models.asked().len(), 0);
}

#[tokio::test]
async fn a_provider_that_fails_is_asked_again_and_then_the_next_one() {
    let world = World::new();
    assert_eq!(world.ask(question("fast", "once 429")).await[0], "Hello!");
    assert_eq!(world.models.asked().len(), 2);
    assert_eq!(world.ask(question("smart", "once 503")).await[0], "Hello!");
    let paths: Vec<_> = world.models.asked().into_iter().skip(2).map(|asked| asked.path).collect();
    assert_eq!(paths, ["/v1/responses", "/v1/chat/completions"]);
}

#[tokio::test]
async fn what_a_provider_says_went_wrong_is_passed_on_without_its_words_about_keys() {
    let world = World::new();
    assert_eq!(
        world.ask(question("openai/m", "status 400")).await,
        ["openai/m: it answered 400: no: 400 Bad Request"]
    );
    assert_eq!(
        world.ask(question("openai/m", "status 401")).await,
        ["openai/m: it answered 401: it does not take the server's API key"]
    );
    assert_eq!(
        world.ask(question("openai/m", "cut")).await,
        ["openai/m: the answer broke off: it ended in the middle"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_cancelled_ends_the_request_to_the_provider() {
    let world = World::new();
    let client = world.client().await;
    let hanging = client.call("llm.query", question("fast", "hang"));
    tokio::select! {
        _ = hanging => panic!("it hangs"),
        () = async {
            while world.models.asked().is_empty() {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        } => {}
    }
    drop(client);
    tokio::task::block_in_place(|| {
        eventually("the provider to notice", || (world.models.hung_up() == 1).then_some(()));
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_that_looks_much_like_a_pasted_repository_is_noted() {
    let world =
        World::with(|config| config.replace("  aliases:", "  paste_guard: { warn_score: 12 }\n  aliases:"));
    world.ask(question("fast", "==> src/0.rs <==\n==> src/1.rs <==\n")).await;
    let line = eventually("the note", || {
        world.server.logged(|line| line["target"] == "llm" && !line["score"].is_null())
    });
    assert_eq!(line["score"], 12, "{line}");
}

/// A personal datum, a token of a known make, and a secret that the server knows.
fn sensitive() -> [String; 3] {
    [
        "write to jan.kowalski@poczta.example".to_owned(),
        "push with 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".to_owned(),
        format!("log in with {LAPTOP}"),
    ]
}

fn filtering(config: &str, filter: &str) -> String {
    config.replace("  laptop:\n", &format!("  laptop:\n    filters: {{ prompts: {filter} }}\n"))
}

#[tokio::test]
async fn a_provider_sees_what_is_left_of_a_prompt_and_its_instructions() {
    let world = World::with(|config| filtering(&config, "redact"));
    let text = sensitive().join(", ");
    let expected = "write to [REDACTED:email], push with [REDACTED:github_token], \
                    log in with [REDACTED:known_secret]";
    for model in ["anthropic/m", "openai/m", "local/m"] {
        let said = world.ask(json!({ "model": model, "prompt": text, "system": text })).await;
        assert_eq!(said[0], "Hello!");
        let body = world.models.asked().pop().unwrap().body;
        let mut texts: Vec<&Value> = vec![&body["system"], &body["instructions"], &body["input"]];
        let messages = body["messages"].as_array().into_iter().flatten();
        texts.extend(messages.map(|message| &message["content"]));
        texts.retain(|text| text.is_string());
        assert_eq!(texts, [expected, expected], "{model}: {body}");
        for secret in sensitive() {
            assert!(!body.to_string().contains(secret.rsplit(' ').next().unwrap()), "{body}");
        }
    }
}

#[tokio::test]
async fn a_prompt_that_is_denied_is_not_sent_costs_nothing_and_says_which_kinds_it_holds() {
    let world = World::with(|config| filtering(&config, "deny"));
    let before = world.remaining().await;
    let [email, token, known] = sensitive();
    let denied =
        |kinds: &str| format!("sensitive_prompt: the prompt holds what must not go to a model: {kinds}");
    for (prompt, system, kinds) in [
        (email.as_str(), json!(null), "`email`"),
        ("hello", json!(token), "`github_token`"),
        (&known, json!(email), "`email`, `known_secret`"),
    ] {
        let said = world.ask(json!({ "model": "fast", "prompt": prompt, "system": system })).await;
        assert_eq!(said, [denied(kinds)]);
    }
    // Beside every other reason.
    let said = world.ask(question("mistral", &email)).await;
    assert_eq!(said, ["unknown_model: there is no model `mistral`".to_owned(), denied("`email`")]);
    assert_eq!(world.models.asked().len(), 0);
    assert_eq!(world.remaining().await, before);
    assert_eq!(world.ask(question("fast", "hello")).await[0], "Hello!");
}

/// A tenant's word counts for its agents, a plugin's entry for whoever calls it,
/// and nobody can ask for less.
#[tokio::test]
async fn the_strictest_filter_of_prompts_counts() {
    let tenant = |config: &str| {
        let tenant = "  research:\n    filters: { prompts: deny }\n";
        filtering(config, "off").replace("  research:\n", tenant)
    };
    let world = World::with(|config| tenant(&config));
    let said = world.ask(question("fast", &sensitive()[0])).await;
    assert!(said[0].starts_with("sensitive_prompt: "), "{said:?}");
    assert_eq!(world.models.asked().len(), 0);
}

/// A provider may repeat whatever it was sent, and say it in its own way.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_says_is_neither_logged_nor_kept_with_secrets_in_it() {
    let world = World::new();
    for text in written(LAPTOP).into_iter().chain(sensitive()) {
        for model in ["anthropic/m", "openai/m", "local/m"] {
            world.ask(question(model, &format!("says {text}"))).await;
        }
    }
    world.ask(question("openai/m", "says the last word")).await;
    tokio::task::block_in_place(|| {
        eventually("the last line", || {
            world.server.logged(|line| {
                line["message"] == "a provider failed"
                    && line["error"].as_str().is_some_and(|it| it.contains("the last word"))
            })
        });
    });
    let [printed, kept] = [printed(&world.server), kept(&world.server)];
    let [email, token, _] = sensitive();
    for secret in [LAPTOP, email.rsplit(' ').next().unwrap(), token.rsplit(' ').next().unwrap()] {
        assert_eq!([&printed, &kept].map(|text| leaks(text, secret)), [None, None], "{secret}");
    }
    assert!(kept.contains("\"tool\":\"llm.query\""));
}
