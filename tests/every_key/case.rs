//! One key's case, and what runs it.

use std::{
    fs,
    path::Path,
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Map, Value, json};

use super::look::Look;
use crate::support::{
    Server,
    client::http,
    eventually, outside,
    testbench::{self, Testbench},
};

/// What `*` stands for, by what is before it.
const NAMES: [(&str, &str); 15] = [
    ("files.roots", "docs"),
    ("databases", "notes"),
    ("agents", "laptop"),
    ("tenants", "research"),
    ("profiles", "shared"),
    ("secrets", "jira"),
    ("plugins.trusted_keys", "acme"),
    ("plugins.entries", "bench"),
    ("redaction.patterns", "employee"),
    ("llm.providers", "local"),
    ("llm.providers.local.models", "m"),
    ("llm.aliases", "fast"),
    ("llm.routes", "smart"),
    ("tenants.research.llm.models", "local"),
    ("agents.laptop.llm.models", "local"),
];

/// Stands for the folder of plugins, as a value.
pub(super) const PLUGINS: &str = "the folder of plugins";

/// Stands for the key that the plugin is signed with.
pub(super) const KEY: &str = "the plugin's key";

/// A key, two values, and what a client sees with the one and with the other.
pub(super) struct Case {
    /// As in the schema.
    pub(super) key: String,
    around: Vec<(String, Value)>,
    values: [Value; 2],
    shows: Option<(Look, [String; 2])>,
    plugin: Option<Build>,
    /// Whose entry `plugins.entries.*` is, if not `bench`'s.
    entry: Option<&'static str>,
    files: Option<Files>,
}

/// Puts files beside config.yaml.
type Files = fn(&Path, &Benches);

/// Which build of the plugin `bench` a case needs.
#[derive(Clone, Copy)]
enum Build {
    /// The usual one.
    Plain,
    /// One whose `bench.label` needs `network:outbound`.
    Capable,
}

/// A case of `key`, which is changed from one value to another. `Null`: it is not
/// there.
pub(super) fn case(key: impl Into<String>, before: Value, after: Value) -> Case {
    let (key, around, values) = (key.into(), Vec::new(), [before, after]);
    Case { key, around, values, shows: None, plugin: None, entry: None, files: None }
}

impl Case {
    /// What a client sees, before and after.
    pub(super) fn shows(mut self, look: Look, before: &str, after: &str) -> Self {
        self.shows = Some((look, [before.to_owned(), after.to_owned()]));
        self
    }

    /// Another key, which has the same value before and after.
    pub(super) fn with(mut self, key: &str, value: Value) -> Self {
        self.around.push((key.to_owned(), value));
        self
    }

    /// Whether the case or what is around it has a key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.key == key || self.around.iter().any(|(around, _)| around == key)
    }

    /// With the plugin `bench`.
    pub(super) fn bench(mut self) -> Self {
        self.plugin = Some(Build::Plain);
        self
    }

    /// With the plugin `bench`, whose `bench.label` needs `network:outbound`.
    pub(super) fn capable(mut self) -> Self {
        self.plugin = Some(Build::Capable);
        self
    }

    /// With `plugins.entries.*` for this bundled plugin, which asks models.
    pub(super) fn entry(mut self, plugin: &'static str) -> Self {
        self.entry = Some(plugin);
        self
    }

    /// With files of its own beside config.yaml.
    pub(super) fn beside(mut self, files: Files) -> Self {
        self.files = Some(files);
        self
    }

    /// Runs it, and says what is not as it should be.
    pub(super) fn run(&self, benches: &Benches, patience: Duration) -> Result<(), String> {
        let key = &self.key;
        let Some((look, [first, second])) = &self.shows else {
            return Err(format!("`{key}`: its case sees nothing"));
        };
        if first == second {
            return Err(format!("`{key}`: its case expects no difference"));
        }
        let [before, after] = self.values.clone().map(|value| self.configuration(benches, value));
        let server = Server::start_with(&before, |folder, _| {
            if let Some(files) = self.files {
                files(folder, benches);
            }
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let sees = |when: &str, expected: &String| {
            let deadline = Instant::now() + patience;
            loop {
                let seen = runtime.block_on(look(&server));
                if seen == *expected {
                    return Ok(());
                }
                thread::sleep(Duration::from_millis(10));
                if Instant::now() >= deadline {
                    return Err(format!(
                        "`{key}`: {when} the edit a client should see `{expected}`, and sees `{seen}`"
                    ));
                }
            }
        };
        sees("before", first)?;
        let (until, was) = (verdicts(&server) + 1, runtime.block_on(readiness(&server)));
        fs::write(server.config(), after).unwrap();
        eventually("the edit to be in force or refused", || {
            // The log may not say so any more, the door not be there any more.
            let is = runtime.block_on(readiness(&server));
            (verdicts(&server) >= until || is.is_some_and(|is| Some(is) != was)).then_some(())
        });
        sees("after", second)
    }

    fn place(&self, key: &str) -> String {
        let of_bench = place(key);
        match self.entry {
            Some(plugin) => of_bench.replace("plugins.entries.bench", &format!("plugins.entries.{plugin}")),
            None => of_bench,
        }
    }

    /// JSON is YAML too.
    fn configuration(&self, benches: &Benches, value: Value) -> String {
        let mut config = base();
        match self.plugin {
            Some(Build::Plain) => add(&mut config, benches.plain()),
            Some(Build::Capable) => add(&mut config, benches.capable()),
            None => {}
        }
        for (key, value) in &self.around {
            set(&mut config, &self.place(key), benches.fill(value));
        }
        set(&mut config, &self.place(&self.key), benches.fill(&value));
        format!("{config:#}\n")
    }
}

async fn readiness(server: &Server) -> Option<String> {
    http().get(server.url("/readyz")).send().await.ok()?.text().await.ok()
}

/// How often the log said what became of a configuration.
pub(super) fn verdicts(server: &Server) -> usize {
    let lines = server.log().into_iter().filter(|line| line["target"] == "config");
    let messages = lines.filter_map(|line| line["message"].as_str().map(ToOwned::to_owned));
    messages.filter(|it| it == "configuration in force" || it.starts_with("reload ")).count()
}

/// Where a key is in [`base`].
fn place(key: &str) -> String {
    let mut place = String::new();
    for part in key.split('.') {
        let name = NAMES.iter().find(|(map, _)| *map == place && part == "*").map_or(part, |(_, name)| name);
        place = if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") };
    }
    place
}

/// `laptop` may do everything that its tenant may, which is everything.
fn base() -> Value {
    let teller = reachable("127.0.0.1");
    let all = json!({
        "tools": ["*"], "resources": ["*"], "prompts": ["*"], "capabilities": ["network:outbound"],
        "egress": [teller, reachable("named.test")], "secrets": ["jira"],
    });
    let mut agent = json!({ "tenant": "research", "token": "${LAPTOP_TOKEN}" });
    agent.as_object_mut().unwrap().extend(all.as_object().unwrap().clone());
    json!({
        "version": 1,
        "server": { "listen": "127.0.0.1:0" },
        "secrets": { "jira": { "value": "${LAPTOP_TOKEN}", "hosts": [teller] } },
        "tenants": { "research": all },
        "agents": { "laptop": agent },
    })
}

/// A rule for the server that tells in which header a secret came.
pub(super) fn reachable(host: &str) -> String {
    format!("http://{host}:{}", outside::teller().port())
}

fn add(config: &mut Value, bench: &Testbench) {
    let installed = json!({
        "minisign": "installed", "plugins": ["*"], "in_process": true,
        "names": ["core.*", "about://*", "review_pr", "tool_usage"],
    });
    let acme = json!({
        "minisign": bench.key(), "plugins": ["bench"], "capabilities": ["network:outbound"], "in_process": true,
    });
    config["plugins"] = json!({
        "dir": bench.plugins(),
        "trusted_keys": { "bundled": installed, "acme": acme },
        "entries": { "bench": {
            "isolation": "in_process", "capabilities": ["network:outbound"], "secrets": ["jira"],
        } },
    });
}

fn set(config: &mut Value, place: &str, value: Value) {
    let mut maps = place.split('.').collect::<Vec<_>>();
    let last = maps.pop().unwrap();
    let mut map = config.as_object_mut().unwrap();
    for name in maps {
        // Of a list, the first item.
        let value = match name.strip_suffix("[]") {
            Some(name) => &mut map.entry(name).or_insert_with(|| json!([{}]))[0],
            None => map.entry(name).or_insert_with(|| Map::new().into()),
        };
        map = value.as_object_mut().unwrap();
    }
    if value.is_null() {
        map.remove(last);
    } else {
        map.insert(last.to_owned(), value);
    }
}

/// The builds of the plugin, made once for all cases.
#[derive(Default)]
pub(super) struct Benches {
    plain: OnceLock<Testbench>,
    capable: OnceLock<Testbench>,
}

impl Benches {
    pub(super) fn plain(&self) -> &Testbench {
        self.plain.get_or_init(Testbench::new)
    }

    fn capable(&self) -> &Testbench {
        self.capable.get_or_init(|| {
            let bench = Testbench::new();
            let [nothing, network] = ["testbench needs nothing         ", "testbench needs network:outbound"];
            bench.install(&testbench::replace(&testbench::build(1), nothing.as_bytes(), network.as_bytes()));
            bench
        })
    }

    /// Puts what only these know in the place of its name.
    fn fill(&self, value: &Value) -> Value {
        match value.as_str() {
            Some(PLUGINS) => json!(self.plain().plugins()),
            Some(KEY) => json!(self.plain().key()),
            _ => value.clone(),
        }
    }
}
