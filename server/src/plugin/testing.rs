//! Packages, servers and calls for this module's tests.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use plugin_abi::{
    HostObject, PluginObject,
    abi_stable::{
        sabi_trait::TD_Opaque,
        std_types::{RResult, RSlice, RStr, RVec},
    },
};
use plugin_contract::{Package, op};
use serde_json::json;
use server_core::{
    config,
    conversation::Nobody,
    invocation::Invocation,
    limits::counters::{Counters, Quota, Slot},
    pattern::Patterns,
    policy::{self, Permit},
    registry::{Instance, Plugin, Provenance, Registry},
    settings::{Isolation, Settings},
    snapshot::{Content, Live},
};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::{
    HostServices, ServerFacts,
    deadline::Deadline,
    elf,
    in_process::InProcess,
    services::{Withdrawn, Work},
};

const TOKEN: &str = "test-token-0123456789-0123456789-abcdef";

/// A package of plugin `weather` with one tool, and a library that is only made up.
pub(super) fn package() -> Package {
    let library = elf::tests::library();
    serde_json::from_value(json!({
        "schema": "mcp-universal-server.plugin/1",
        "manifest": {
            "name": "weather",
            "version": "1.2.0",
            "release": 12,
            "api": "1.0",
            "target": env!("SERVER_TARGET"),
            "capabilities": ["network:outbound"],
            "tools": [{
                "name": "weather.now",
                "description": "Tells the weather.",
                "input_schema": { "type": "object" },
                "capabilities": ["network:outbound"],
            }],
        },
        "artifact": { "file": "libweather.so", "size": library.len(), "sha256": sha256(&library) },
    }))
    .unwrap()
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes a file that a server may read, whatever the umask.
pub(super) fn put(path: impl AsRef<Path>, contents: impl AsRef<[u8]>) {
    fs::write(&path, contents).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
}

pub(super) fn patterns(texts: &[&str]) -> Patterns {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

pub(super) fn facts() -> ServerFacts {
    ServerFacts {
        name: "mcp-universal-server".to_owned(),
        version: "0.1.0".to_owned(),
        protocol_versions: vec!["2025-11-25".to_owned()],
    }
}

pub(crate) fn services() -> HostServices {
    HostServices::new(facts())
}

/// What a plugin made of a closure answers to an operation. The closure gets the
/// host, the call's token and the input.
type Answer = Result<Vec<u8>, Vec<u8>>;

struct Scripted<F> {
    host: HostObject,
    script: F,
}

impl<F: Fn(&HostObject, &[u8], &[u8]) -> Answer + Send + Sync + 'static> plugin_abi::Plugin for Scripted<F> {
    fn invoke(
        &self,
        _: RStr<'_>,
        call: RSlice<'_, u8>,
        input: RSlice<'_, u8>,
    ) -> RResult<RVec<u8>, RVec<u8>> {
        let answer = (self.script)(&self.host, &call, &input);
        answer.map(RVec::from).map_err(RVec::from).into()
    }
}

/// Plugin `core` in this process, with a closure for its code.
pub(crate) fn instance(
    services: &HostServices,
    script: impl Fn(&HostObject, &[u8], &[u8]) -> Answer + Send + Sync + 'static,
) -> Arc<dyn Instance> {
    let withdrawn = Withdrawn::default();
    let host = services.for_plugin("core".parse().unwrap(), withdrawn.clone()).object();
    let object = PluginObject::from_value(Scripted { host, script }, TD_Opaque);
    Arc::new(InProcess::new("core".parse().unwrap(), object, services.calls().clone(), withdrawn))
}

/// Asks the host, as a plugin does.
pub(super) fn ask(host: &HostObject, op: &str, call: &[u8], input: &[u8]) -> Answer {
    let answer: Result<RVec<u8>, RVec<u8>> = host.invoke(op.into(), call.into(), input.into()).into();
    answer.map(RVec::into_vec).map_err(RVec::into_vec)
}

/// The right of agent `default` to call `core.echo` of plugin `core`, which
/// `instance` runs.
pub(super) fn permit(instance: Arc<dyn Instance>) -> Arc<Permit> {
    permit_with(instance, |_| {})
}

/// The same, under other settings.
pub(crate) fn permit_with(instance: Arc<dyn Instance>, change: impl FnOnce(&mut Settings)) -> Arc<Permit> {
    let mut manifest = package().manifest;
    manifest.name = "core".parse().unwrap();
    manifest.tools[0].name = "core.echo".parse().unwrap();
    manifest.tools[0].capabilities.clear();
    let provenance = Provenance {
        folder: "plugins.d/core".into(),
        signer: "acme".parse().unwrap(),
        key_id: "0".repeat(16),
        sha256: "0".repeat(64),
    };
    let isolation = Isolation::InProcess;
    let plugin = Plugin {
        manifest,
        provenance,
        isolation,
        granted: [].into(),
        instance,
        prepared: Default::default(),
    };
    let (registry, refusals) = Registry::admit([Arc::new(plugin)]);
    assert_eq!(refusals, []);
    let mut settings = config::without_file(TOKEN).unwrap();
    change(&mut settings);
    let live = Live::new(Content { config_sha256: String::new(), settings, registry });
    let snapshot = live.load();
    let principal = snapshot.authenticate(TOKEN).unwrap().principal;
    let tool = snapshot.registry.tool("core.echo").unwrap();
    Arc::new(policy::tool(&snapshot, &principal, tool).unwrap())
}

/// A slot of an agent that may have one.
pub(super) fn slot(counters: &Counters) -> Option<Slot> {
    let rate = "1000000/s".parse().unwrap();
    let quota = Quota { concurrency: 1, rate, tools: &[], places: None };
    counters.admit(&"laptop".parse().unwrap(), &quota, false, Instant::now()).ok()
}

pub(super) fn invocation(permit: Arc<Permit>, slot: Slot) -> Invocation {
    Invocation {
        permit,
        op: op::plugin::CALL_TOOL,
        input: b"input".to_vec(),
        conversation: Arc::new(Nobody),
        timeout: Duration::from_secs(3600),
        max_response_bytes: 1 << 20,
        inline: false,
        slot,
        notes: Arc::default(),
    }
}

/// Work that a permit is for, with nobody to talk to.
pub(super) fn work(permit: Arc<Permit>) -> Work {
    Work {
        permit,
        conversation: Arc::new(Nobody),
        may_wait: true,
        deadline: Deadline::after(Duration::from_secs(3600)),
        abandoned: CancellationToken::new(),
        notes: Arc::default(),
        runtime: None,
    }
}
