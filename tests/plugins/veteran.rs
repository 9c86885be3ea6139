//! A plugin as it was built and signed for the first release of the plugin interface:
//! `tests/data/plugin-1.0.0`. What loads there, loads for ever.

use std::{
    fs::{self, Permissions},
    io::Read,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use flate2::read::GzDecoder;
use rmcp::model::{GetPromptRequestParams, ReadResourceRequestParams};
use serde_json::{Value, json};

use crate::support::{
    LAPTOP, Server,
    client::{Client, ERAS, only_text},
    eventually,
};

pub(super) fn data(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/plugin-1.0.0").join(file)
}

/// A folder of plugins with the plugin in it.
fn installed() -> tempfile::TempDir {
    let plugins = tempfile::tempdir().unwrap();
    let folder = plugins.path().join("veteran");
    fs::create_dir(&folder).unwrap();
    for path in [plugins.path(), &folder] {
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }
    for file in ["plugin.json", "plugin.json.minisig"] {
        fs::copy(data(file), folder.join(file)).unwrap();
    }
    let mut library = Vec::new();
    GzDecoder::new(fs::File::open(data("libveteran.so.gz")).unwrap()).read_to_end(&mut library).unwrap();
    fs::write(folder.join("libveteran.so"), library).unwrap();
    plugins
}

#[tokio::test]
#[cfg(target_arch = "x86_64")]
async fn a_plugin_of_the_first_release_loads_and_works() {
    let public = fs::read_to_string(data("veteran.pub")).unwrap();
    works(installed().path(), public.lines().nth(1).unwrap()).await;
}

/// Has servers load the plugin from a folder of plugins, and uses all that it offers.
pub(super) async fn works(plugins: &Path, key: &str) {
    for isolation in ["in_process", "process"] {
        let server = Server::start(&format!(
            r#"version: 1
server: {{ listen: "127.0.0.1:0" }}
plugins:
  dir: {plugins}
  trusted_keys:
    old: {{ minisign: "{key}", plugins: [veteran], names: ["veteran.*", "veteran://*", veteran_greeting], in_process: true }}
  entries:
    veteran: {{ isolation: {isolation} }}
tenants:
  research: {{ tools: ["*"], resources: ["*"], prompts: ["*"] }}
agents:
  laptop: {{ tenant: research, token: "${{LAPTOP_TOKEN}}", tools: ["*"], resources: ["*"], prompts: ["*"] }}
"#,
            plugins = plugins.display(),
        ));
        for era in ERAS {
            let client = Client::connect(&server, LAPTOP, era).await;
            let greeting = client.text("veteran.greet", json!({ "name": "Ada" })).await;
            assert_eq!(greeting, "Hello, Ada! Yours, laptop.");
            for (tool, arguments, said) in [
                ("veteran.greet", json!({ "name": "" }), "a name is not empty"),
                ("veteran.panic", json!({}), "as it always did"),
            ] {
                let result = client.call(tool, arguments).await.unwrap();
                assert_eq!(result.is_error, Some(true));
                assert!(only_text(&result).contains(said), "{result:?}");
            }
            let age = client.0.read_resource(ReadResourceRequestParams::new("veteran://age")).await.unwrap();
            assert_eq!(serde_json::to_value(age).unwrap()["contents"][0]["text"], "since 1.0.0");
            let prompt = GetPromptRequestParams::new("veteran_greeting")
                .with_arguments(json!({ "name": "Ada" }).as_object().unwrap().clone());
            let prompt = serde_json::to_value(client.0.get_prompt(prompt).await.unwrap()).unwrap();
            assert_eq!(prompt["messages"][0]["content"]["text"], "Greet Ada.");
        }
        let of_plugin = |line: &Value, message: &str| {
            line["plugin"] == "veteran" && line["message"].as_str().is_some_and(|it| it.starts_with(message))
        };
        eventually("its own log line", || server.logged(|line| of_plugin(line, "greeting")));
        eventually("its panic", || server.logged(|line| of_plugin(line, "panicked at ")));
    }
}
