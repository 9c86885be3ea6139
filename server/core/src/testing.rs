//! Snapshots for this crate's tests, with a plugin that does what they say.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use futures::future::BoxFuture;
use plugin_contract::{Capability, Manifest};
use serde_json::{Value, json};

use crate::{
    audit::{Admission, AuditSink, AuditStatus, AuditUnavailable},
    egress::Rules,
    gateway::{CallLog, CallRecord},
    id::{AgentId, TenantId},
    invocation::Invocation,
    limits::{LimitCeilings, Limits},
    pattern::Patterns,
    policy::Reason,
    principal::{Caller, Principal},
    registry::{Instance, InvokeError, Plugin, Provenance, Registry},
    secret::TokenDigest,
    settings::{
        Agent, Disclosure, Filters, Grant, Isolation, LogLevel, PluginSettings, ServerSettings, Settings,
        Tenant,
    },
    snapshot::Content,
};

pub(crate) fn patterns(texts: &[&str]) -> Patterns {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// Rules that allow these.
pub(crate) fn rules(allow: &[&str]) -> Rules {
    Rules { allow: allow.iter().map(|text| text.parse().unwrap()).collect(), ..Rules::default() }
}

pub(crate) fn principal() -> Principal {
    Principal { agent: "laptop".parse().unwrap(), tenant: "research".parse().unwrap() }
}

/// [`principal`], with its token.
pub(crate) fn caller() -> Caller {
    Caller { principal: principal(), token: TokenDigest::of("laptop-token"), address: None }
}

pub(crate) fn codes(reasons: &[Reason]) -> Vec<&'static str> {
    reasons.iter().map(Reason::code).collect()
}

/// Agent `laptop` of tenant `research`, both with every right there is.
pub(crate) fn settings() -> Settings {
    let all = Grant {
        tools: patterns(&["*"]),
        deny: Patterns::default(),
        resources: patterns(&["*"]),
        prompts: patterns(&["*"]),
        capabilities: Capability::ALL.into(),
        files: patterns(&["*"]),
        databases: patterns(&["*"]),
        egress: rules(&["api.example.com"]),
        secrets: Default::default(),
    };
    let tenant = Tenant {
        grant: all.clone(),
        limits: LimitCeilings::default(),
        llm: Default::default(),
        budget: Default::default(),
        disclosure: Disclosure::Reasons,
        filters: Filters::default(),
    };
    let agent = Agent {
        tenant: "research".parse().unwrap(),
        tokens: vec![TokenDigest::of("laptop-token")],
        grant: all,
        limits: Limits::default(),
        llm: Default::default(),
        budget: Default::default(),
        filters: Filters::default(),
    };
    Settings {
        server: ServerSettings {
            listen: "127.0.0.1:0".parse().unwrap(),
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            public_url: None,
            trusted_proxies: Vec::new(),
            load: Default::default(),
        },
        admin: None,
        log_level: LogLevel::default(),
        redaction: Default::default(),
        secrets: Vec::new(),
        state_dir: "state".into(),
        audit: Default::default(),
        reload: Default::default(),
        egress: Default::default(),
        credentials: Default::default(),
        plugins: PluginSettings::default(),
        roots: BTreeMap::new(),
        databases: BTreeMap::new(),
        tool_limits: Vec::new(),
        llm: Default::default(),
        tenants: BTreeMap::from([("research".parse::<TenantId>().unwrap(), tenant)]),
        agents: BTreeMap::from([("laptop".parse::<AgentId>().unwrap(), agent)]),
    }
}

pub(crate) fn tool(name: &str, capabilities: &[&str]) -> Value {
    json!({
        "name": name,
        "description": "Does as told.",
        "input_schema": {
            "type": "object",
            "properties": { "text": { "type": "string", "description": "What to say." } },
            "additionalProperties": false,
        },
        "capabilities": capabilities,
    })
}

/// A plugin `demo` with the given tools, a resource, a template and a prompt.
pub(crate) fn plugin(tools: &[Value], granted: &[Capability], instance: Arc<dyn Instance>) -> Arc<Plugin> {
    let manifest: Manifest = serde_json::from_value(json!({
        "name": "demo", "description": "A plugin.", "version": "1.0.0", "release": 1, "api": "1.0", "target": "any",
        "tools": tools,
        "resources": [{ "uri": "demo://fixed", "name": "fixed" }],
        "resource_templates": [{ "uri_template": "demo://pages/{page}", "name": "pages" }],
        "prompts": [{ "name": "demo_prompt", "arguments": [{ "name": "topic", "required": true }] }],
    }))
    .unwrap();
    named(manifest, granted, instance)
}

pub(crate) fn named(manifest: Manifest, granted: &[Capability], instance: Arc<dyn Instance>) -> Arc<Plugin> {
    let provenance = Provenance {
        folder: format!("plugins.d/{}", manifest.name).into(),
        signer: "acme".parse().unwrap(),
        key_id: "0000000000000000".to_owned(),
        sha256: "0".repeat(64),
    };
    let granted = granted.iter().copied().collect::<BTreeSet<_>>();
    Arc::new(Plugin {
        manifest,
        provenance,
        isolation: Isolation::InProcess,
        granted,
        instance,
        prepared: Default::default(),
    })
}

pub(crate) fn content(settings: Settings, plugin: Arc<Plugin>) -> Content {
    let (registry, refusals) = Registry::admit([plugin]);
    assert_eq!(refusals, []);
    Content { config_sha256: String::new(), settings, registry }
}

/// Answers every operation with what the closure says.
pub(crate) struct Scripted<F>(pub(crate) F);

impl<F: Fn(&Invocation) -> Result<Value, InvokeError> + Send + Sync> Instance for Scripted<F> {
    fn invoke(&self, invocation: Invocation) -> BoxFuture<'static, Result<Vec<u8>, InvokeError>> {
        let answer = (self.0)(&invocation).map(|value| value.to_string().into_bytes());
        Box::pin(async move {
            drop(invocation);
            answer
        })
    }
}

/// An instance that nothing should reach.
pub(crate) fn unreachable() -> Arc<dyn Instance> {
    Arc::new(Scripted(|_: &Invocation| panic!("a refused call reached the plugin")))
}

/// Keeps what is recorded.
#[derive(Default)]
pub(crate) struct Records(pub(crate) Mutex<Vec<CallRecord>>);

impl AuditSink for Records {
    fn decided(&self, _: &CallRecord, _: &[u8]) -> Admission {
        Admission::Recorded
    }

    fn ended(&self, _: &CallRecord, _: &[u8]) {}

    fn available(&self) -> Result<(), AuditUnavailable> {
        Ok(())
    }

    fn status(&self) -> AuditStatus {
        AuditStatus::default()
    }
}

impl CallLog for Records {
    fn record(&self, record: &CallRecord) {
        self.0.lock().unwrap().push(record.clone());
    }
}

/// Chance with a seed (SplitMix64): the same seed, the same choices, on every
/// machine.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn throw(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (value ^ value >> 31) % below
    }

    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[usize::try_from(self.throw(of.len() as u64)).unwrap()]
    }
}
