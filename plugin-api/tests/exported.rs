//! A plugin through its exported module, as a server loads it. A test of its own
//! because the module sets the process's panic hook.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Mutex, PoisonError};

use plugin_abi::{
    Host, HostObject, PluginModRef, PluginObject,
    abi_stable::{
        sabi_trait::TD_Opaque,
        std_types::{RErr, ROk, RResult, RSlice, RStr, RVec},
    },
};
use plugin_api::{
    Manifest,
    export::{Exported, LibHeader, header},
    prelude::*,
};
use serde_json::{Value, json};

struct Sample;
static SAMPLE: LibHeader = header::<Sample>();

impl Exported for Sample {
    fn plugin() -> Plugin {
        Plugin::new("sample", "1.0.0")
            .tool(Tool::new("sample.echo", "Echoes.", |call, input: Echo| {
                call.log(LogLevel::Info, "echoing");
                input.text
            }))
            .tool(Tool::new("sample.panic", "Panics.", |_, (): ()| -> String { panic!("on\npurpose") }))
    }
}

#[derive(Deserialize, JsonSchema)]
struct Echo {
    text: String,
}

struct Unsound;
static UNSOUND: LibHeader = header::<Unsound>();

impl Exported for Unsound {
    fn plugin() -> Plugin {
        Plugin::new("Unsound", "1")
    }
}

struct Panics;
static PANICS: LibHeader = header::<Panics>();

impl Exported for Panics {
    fn plugin() -> Plugin {
        panic!("on purpose")
    }
}

/// What any host was asked to log, and on whose behalf.
static LOG: Mutex<Vec<(String, Value)>> = Mutex::new(Vec::new());

struct Recorder;

impl Host for Recorder {
    fn invoke(
        &self,
        op: RStr<'_>,
        call: RSlice<'_, u8>,
        input: RSlice<'_, u8>,
    ) -> RResult<RVec<u8>, RVec<u8>> {
        assert_eq!(op, "log");
        let call = String::from_utf8(call.to_vec()).unwrap();
        let line = serde_json::from_slice(&input).unwrap();
        LOG.lock().unwrap_or_else(PoisonError::into_inner).push((call, line));
        ROk(b"null".as_slice().into())
    }
}

impl Clone for Recorder {
    fn clone(&self) -> Self {
        Self
    }
}

fn module(header: &'static LibHeader) -> PluginModRef {
    header.init_root_module().expect("the layouts are the same")
}

fn create(header: &'static LibHeader) -> Result<PluginObject, String> {
    let host = HostObject::from_ptr(plugin_abi::abi_stable::std_types::RArc::new(Recorder), TD_Opaque);
    match (module(header).create())(host, "{}".into()) {
        ROk(plugin) => Ok(plugin),
        RErr(error) => Err(error.into()),
    }
}

fn invoke(plugin: &PluginObject, op: &str, input: &Value) -> Result<Value, Value> {
    let input = input.to_string();
    let answer = plugin.invoke(op.into(), b"call-7".as_slice().into(), input.as_bytes().into());
    match answer {
        ROk(answer) => Ok(serde_json::from_slice(&answer).unwrap()),
        RErr(error) => Err(serde_json::from_slice(&error).unwrap()),
    }
}

#[test]
fn a_server_loads_describes_and_calls_a_plugin() {
    let description = (module(&SAMPLE).describe())();
    let manifest = Manifest::from_description(&description).unwrap();
    assert_eq!(manifest, Sample::plugin().manifest().unwrap());

    let plugin = create(&SAMPLE).unwrap();
    assert_eq!(
        invoke(&plugin, "tools/call", &json!({"name": "sample.echo", "arguments": {"text": "hi"}})),
        Ok(json!({"content": [{"type": "text", "text": "hi"}]}))
    );
    assert_eq!(
        invoke(&plugin, "tools/dream", &json!({})),
        Err(json!({
            "code": "unsupported",
            "message": "plugin `sample` does not know the operation `tools/dream`",
        }))
    );
    assert_eq!(
        invoke(&plugin, "tools/call", &json!({"name": "sample.panic"})),
        Err(json!({"code": "panicked", "message": "tool `sample.panic` panicked: on\npurpose"}))
    );

    let log = std::mem::take(&mut *LOG.lock().unwrap());
    let [echoed, panicked] = log.as_slice() else {
        panic!("two lines, not {log:?}");
    };
    assert_eq!(*echoed, ("call-7".to_owned(), json!({"level": "info", "message": "echoing"})));
    assert_eq!(panicked.0, "call-7");
    assert_eq!(panicked.1["level"], "error");
    let message = panicked.1["message"].as_str().unwrap();
    let place = message.strip_prefix("panicked at plugin-api/tests/exported.rs:");
    let place = place.or_else(|| message.strip_prefix("panicked at tests/exported.rs:"));
    // The place alone: the message could quote arguments.
    assert!(place.is_some_and(|place| place.bytes().all(|b| b.is_ascii_digit() || b == b':')), "{message}");

    let unsound = "`Unsound` is no plugin name: 1 to 64 of a-z, 0-9 and `-`, beginning with a letter; \
                   `1` is no version: write it as `major.minor.patch`, e.g. `1.0.0`";
    let panicked = "the plugin's definition panicked: on purpose";
    for (header, error) in [(&UNSOUND, unsound), (&PANICS, panicked)] {
        let description = (module(header).describe())();
        assert_eq!(Manifest::from_description(&description), Err(error.to_owned()));
        assert_eq!(create(header).map(|_| ()), Err(error.to_owned()));
    }
}
