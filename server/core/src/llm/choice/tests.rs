use super::*;
use crate::{
    llm::{Api, ModelGrant, ProviderSettings, price::Price},
    secret::Secret,
    settings::Settings,
    testing::{patterns, principal, settings},
};

fn grant(models: &[(&str, &[&str])]) -> Option<ModelGrant> {
    let of = |(provider, names): &(&str, &[&str])| (provider.parse().unwrap(), patterns(names));
    Some(ModelGrant(models.iter().map(of).collect()))
}

/// Three providers: `anthropic` has `haiku` and `opus`, which has no price,
/// `openai` has no key, and `local` has a `haiku` of its own.
fn world(change: impl Fn(&mut Agent, &mut Tenant)) -> Settings {
    let provider = |key: ApiKey, models: &[(&str, bool)]| ProviderSettings {
        api: Api::OpenAiChat,
        base_url: "http://127.0.0.1:1/v1".parse().unwrap(),
        key,
        models: models
            .iter()
            .map(|(name, is_priced)| {
                let price = is_priced.then(|| Price::new(Default::default(), Vec::new()));
                (name.parse().unwrap(), ModelSettings { price, max_output: Some(8000) })
            })
            .collect(),
    };
    let mut settings = settings();
    let missing = ApiKey::Missing { help: "set OPENAI_API_KEY".to_owned() };
    settings.llm.providers = [
        ("anthropic", provider(ApiKey::Is(Secret::new("k")), &[("haiku", true), ("opus", false)])),
        ("openai", provider(missing, &[("gpt", true)])),
        ("local", provider(ApiKey::None, &[("haiku", true), ("llama", true)])),
    ]
    .into_iter()
    .map(|(name, provider)| (name.parse().unwrap(), provider))
    .collect();
    let route = |models: &[&str]| models.iter().map(|model| model.parse().unwrap()).collect();
    settings.llm.routes = [
        ("fast".parse().unwrap(), route(&["anthropic/haiku"])),
        ("smart".parse().unwrap(), route(&["anthropic/opus", "openai/gpt", "local/llama"])),
    ]
    .into();
    let (agent, tenant) = (settings.agents.values_mut().next(), settings.tenants.values_mut().next());
    let agent = agent.unwrap();
    agent.llm.models = grant(&[("anthropic", &["*"]), ("openai", &["gpt"]), ("local", &["llama"])]);
    change(agent, tenant.unwrap());
    settings
}

/// `anthropic/haiku 4096`, or `code: message | help` of every reason.
fn asked(settings: &Settings, provider: Option<&str>, model: &str, max_tokens: Option<u64>) -> Vec<String> {
    let principal = principal();
    let asker = Asker {
        llm: &settings.llm,
        principal: &principal,
        agent: settings.agents.values().next().unwrap(),
        tenant: settings.tenants.values().next().unwrap(),
    };
    match asker.candidates(provider, model, max_tokens) {
        Ok(all) => all.iter().map(|it| format!("{} {}", it.model, it.max_tokens)).collect(),
        Err(all) => all.iter().map(|it| format!("{}: {it} | {}", it.code(), it.help())).collect(),
    }
}

#[test]
fn a_model_is_asked_for_by_route_by_whole_name_or_by_its_own() {
    let settings = world(|_, _| {});
    for (provider, model, expected) in [
        (None, "fast", "anthropic/haiku 4096"),
        (None, "anthropic/haiku", "anthropic/haiku 4096"),
        (Some("anthropic"), "haiku", "anthropic/haiku 4096"),
        (None, "llama", "local/llama 4096"),
        // Two have one of that name, and only one of them is granted.
        (None, "haiku", "anthropic/haiku 4096"),
        // Of a route, those that cannot be asked are left out.
        (None, "smart", "local/llama 4096"),
    ] {
        assert_eq!(asked(&settings, provider, model, None), [expected], "{provider:?} {model}");
    }
}

#[test]
fn a_model_that_is_not_on_the_allowlist_is_denied() {
    let settings = world(|agent, tenant| {
        agent.llm.models = grant(&[("anthropic", &["haiku"])]);
        tenant.llm.models = grant(&[("local", &["*"])]);
    });
    assert_eq!(
        asked(&settings, None, "local/llama", None),
        [
            "model_not_granted_to_agent: agent `laptop` is not granted model `local/llama` | add `llama` to `agents.laptop.llm.models.local`"
        ]
    );
    assert_eq!(
        asked(&settings, None, "anthropic/haiku", None),
        [
            "model_not_granted_to_tenant: tenant `research` is not granted model `anthropic/haiku` | add `haiku` to `tenants.research.llm.models.anthropic`"
        ]
    );
    let nothing = world(|agent, _| agent.llm.models = None);
    assert_eq!(
        asked(&nothing, None, "fast", None),
        [
            "model_not_granted_to_agent: agent `laptop` is not granted model `anthropic/haiku` | add `haiku` to `agents.laptop.llm.models.anthropic`"
        ]
    );
}

#[test]
fn every_reason_against_is_told() {
    let settings = world(|_, _| {});
    for (model, expected) in [
        (
            "anthropic/opus",
            "unpriced_model: model `anthropic/opus` has no price, so nobody can say what it would cost | add `input` and `output`, in US dollars per million tokens, to `llm.providers.anthropic.models.opus`; 0 if it costs nothing",
        ),
        ("gpt", "no_api_key: provider `openai` has no API key | set OPENAI_API_KEY"),
        ("fsat", "unknown_model: there is no model `fsat` | did you mean `fast`?"),
        (
            "mistral",
            "unknown_model: there is no model `mistral` | there are `fast`, `smart`, `anthropic/haiku`, `anthropic/opus`, `local/llama`, `openai/gpt`",
        ),
    ] {
        assert_eq!(asked(&settings, None, model, None), [expected]);
    }
    let both = world(|agent, _| agent.llm.models = grant(&[("anthropic", &["*"]), ("local", &["*"])]));
    assert_eq!(
        asked(&both, None, "haiku", None),
        [
            "ambiguous_model: several providers have a model `haiku` | say which: `anthropic/haiku`, `local/haiku`"
        ]
    );
}

#[test]
fn an_opaque_tenant_s_agents_do_not_learn_which_models_there_are() {
    let settings = world(|agent, tenant| {
        agent.llm.models = grant(&[("local", &["llama"])]);
        tenant.disclosure = Disclosure::Opaque;
    });
    let known = "there are `smart`, `local/llama`";
    for model in ["anthropic/haiku", "anthropic/nothing"] {
        let expected = format!("unknown_model: there is no model `{model}` | {known}");
        assert_eq!(asked(&settings, None, model, None), [expected]);
    }
}

/// Without a number, a request would reserve all that there is.
#[test]
fn a_request_always_has_a_number_of_tokens_and_never_more_than_all_allow() {
    let bounded = |agent: Option<u64>, tenant: Option<u64>| {
        world(move |of_agent, of_tenant| {
            of_agent.llm.max_tokens_per_request = agent;
            of_tenant.llm.max_tokens_per_request = tenant;
        })
    };
    for (agent, tenant, asked_for, expected) in [
        (None, None, None, 4096),
        (None, None, Some(100), 100),
        (None, None, Some(1_000_000), 8000),
        (Some(1000), None, None, 1000),
        (Some(1000), None, Some(2000), 1000),
        (Some(6000), Some(500), Some(2000), 500),
        (Some(6000), None, None, 4096),
    ] {
        let settings = bounded(agent, tenant);
        assert_eq!(asked(&settings, None, "fast", asked_for), [format!("anthropic/haiku {expected}")]);
    }
}
