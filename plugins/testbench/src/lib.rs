//! The plugin `bench`, for the end-to-end tests: tools that take as long as a test
//! wants, and a start that fails in every way a start can.
//!
//! Texts in the library say which release it is, whether it describes itself and
//! what a tool needs. A test that changes them in the built file has another build of the
//! plugin, without a compiler.

use std::{
    env,
    fs::{self, File},
    hash::{BuildHasher, Hasher, RandomState},
    hint::black_box,
    io::{self, Write},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use plugin_api::{HttpRequest, LlmQuery, prelude::*};
use serde_json::json;

mod hostile;

/// The last five digits are the release: 1.0.1.
const RELEASE: &str = "testbench release 00001";
/// `never.` in place of the last word makes a library that hangs.
const DESCRIBES: &str = "testbench describes itself always";
/// `network:outbound` in place of the end is a capability that `bench.label` needs;
/// there is `bench.fetch` then too; with `llm:query`, there is `bench.ask`.
const NEEDS: &str = "testbench needs nothing         ";

/// What the operator configures, once the plugin was made with it.
#[derive(Deserialize, JsonSchema)]
#[serde(try_from = "Wanted")]
struct Config {
    label: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// What the plugin does when it is made.
    #[serde(default)]
    start: Start,
    /// The only version that does so, if not all do.
    #[serde(default)]
    only: Option<String>,
    /// What `bench.label` answers.
    #[serde(default)]
    label: String,
    /// A file that gets a line for every attempt to make the plugin: the process's
    /// number.
    #[serde(default)]
    attempts: Option<PathBuf>,
}

/// What becomes of an attempt to make the plugin.
#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Start {
    #[default]
    Works,
    Fails,
    Panics,
    Hangs,
    Aborts,
    Exits,
    /// Fails, and says what it sees of the process that it is in.
    Looks,
}

impl TryFrom<Wanted> for Config {
    type Error = String;

    fn try_from(Wanted { start, only, label, attempts }: Wanted) -> Result<Self, Self::Error> {
        if let Some(file) = attempts {
            note(&file).map_err(|error| error.to_string())?;
        }
        if only.is_some_and(|only| only != version()) {
            return Ok(Self { label });
        }
        match start {
            Start::Works => Ok(Self { label }),
            Start::Fails => Err("it was told to fail".to_owned()),
            #[expect(clippy::panic, reason = "that is what a test wants to see")]
            Start::Panics => panic!("it was told to panic"),
            Start::Hangs => hang(),
            Start::Aborts => process::abort(),
            Start::Exits => process::exit(3),
            Start::Looks => Err(look_around().unwrap_or_else(|error| error.to_string())),
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Sleep {
    /// Milliseconds.
    ms: u64,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Fetch {
    /// Where to.
    url: String,
    /// With which secret.
    secret: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Ask {
    /// Which model.
    model: String,
    /// What to ask it.
    prompt: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Hold {
    /// The file.
    file: PathBuf,
}

/// The plugin's definition.
pub fn plugin() -> Plugin {
    if black_box(DESCRIBES).ends_with("never.") {
        hang();
    }
    let version = version();
    let instance = RandomState::new().build_hasher().finish();
    let calls = AtomicU64::new(0);
    let answered = version.clone();
    let plugin = Plugin::new("bench", &version)
        .description("Does what tests need.")
        .config::<Config>()
        .tool(Tool::new("bench.sleep", "Sleeps on a thread of its own.", |_: &Call, input: Sleep| {
            thread::sleep(Duration::from_millis(input.ms));
            format!("slept {} ms", input.ms)
        }))
        .tool(Tool::new("bench.hold", "Reports progress, makes a file and waits until it is gone.", {
            let version = version.clone();
            move |call: &Call, input: Hold| {
                call.progress(1.0, 2.0, "holding");
                hold(&input.file).map(|()| version.clone())
            }
        }))
        .tool(Tool::new("bench.version", "Answers the version.", move |_: &Call, ()| answered.clone()))
        .tool(Tool::new("bench.instance", "Answers a number that no other instance has.", {
            move |_: &Call, ()| instance.to_string()
        }))
        .tool(Tool::new("bench.count", "Answers how often this instance was asked.", {
            move |_: &Call, ()| (calls.fetch_add(1, Ordering::Relaxed) + 1).to_string()
        }))
        .tool(Tool::new("bench.leak", "Says a text in every way it can.", leak))
        .tool(label());
    let plugin = match needs() {
        Some(Capability::NetworkOutbound) => plugin.tool(fetch()),
        Some(Capability::LlmQuery) => plugin.tool(ask()),
        _ => plugin,
    };
    hostile::tools(plugin)
}

plugin_api::export!(plugin);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Leak {
    /// What to say.
    text: String,
    /// How to end: `answer`, `everything` (an answer with every kind of content),
    /// `fail` or `panic`.
    end: String,
}

#[expect(clippy::panic, reason = "what becomes of its words is what is tested")]
fn leak(call: &Call, Leak { text, end }: Leak) -> Result<ToolResult, CallError> {
    for level in [LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error] {
        call.log(level, text.clone());
    }
    call.progress(1.0, None, text.clone());
    match end.as_str() {
        "panic" => panic!("{text}"),
        "fail" => Err(CallError::failed(text)),
        "everything" => Ok(everything(&text)),
        _ => Ok(ToolResult::new(vec![Content::text(text)])),
    }
}

fn everything(text: &str) -> ToolResult {
    let (uri, kind) = (format!("bench://{text}"), "text/plain");
    let contents = [ResourceContent::text(&uri, kind, text), ResourceContent::blob(&uri, kind, text)];
    let mut content = vec![
        Content::text(text).with_meta("bench.example/said", text),
        Content::image(text, "image/png"),
        Content::audio(text, "audio/wav"),
    ];
    content.extend(contents.map(Content::resource));
    let structured = json!({ "said": text, "deep": [{ "er": text }], text: 1 });
    ToolResult { structured: Some(structured), ..ToolResult::new(content) }
        .with_meta("bench.example/said", text)
}

fn label() -> Tool {
    let answer = |call: &Call, ()| Ok::<_, CallError>(call.config::<Config>()?.label.clone());
    let tool = Tool::new("bench.label", "Answers the label that it is configured with.", answer);
    match needs() {
        Some(capability) => tool.needs(capability),
        None => tool,
    }
}

fn needs() -> Option<Capability> {
    black_box(NEEDS).rsplit(' ').next().unwrap_or_default().parse().ok()
}

fn fetch() -> Tool {
    let fetch = |call: &Call, input: Fetch| -> Result<String, CallError> {
        let request = HttpRequest::get(input.url);
        let request = match input.secret {
            Some(secret) => request.secret(secret),
            None => request,
        };
        Ok(call.http(&request)?.text()?.to_owned())
    };
    Tool::new("bench.fetch", "Answers what a URL does.", fetch).needs(Capability::NetworkOutbound)
}

fn ask() -> Tool {
    let ask = |call: &Call, Ask { model, prompt }: Ask| -> Result<String, CallError> {
        Ok(call.llm(&LlmQuery { model, prompt, ..LlmQuery::default() })?.text)
    };
    Tool::new("bench.ask", "Answers what a model does.", ask).needs(Capability::LlmQuery)
}

fn version() -> String {
    let digits = black_box(RELEASE).rsplit(' ').next().unwrap_or_default();
    format!("1.0.{}", digits.trim_start_matches('0'))
}

fn note(file: &Path) -> io::Result<()> {
    let line = format!("{}\n", process::id());
    File::options().create(true).append(true).open(file)?.write_all(line.as_bytes())
}

/// The process's environment, open files, and what the kernel says of its rights.
fn look_around() -> io::Result<String> {
    let variables = env::vars_os().count();
    let mut files = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let file = fs::read_link(entry?.path())?.display().to_string();
        // But for this look itself, and for numbers, which are others each time.
        if !file.starts_with("/proc/") {
            files.push(file.split(':').next().unwrap_or_default().to_owned());
        }
    }
    files.sort_unstable();
    let status = fs::read_to_string("/proc/self/status")?;
    let rights = status.lines().find(|line| line.starts_with("NoNewPrivs")).unwrap_or_default();
    Ok(format!("{variables} variables, {rights}, {}", files.join(" ")))
}

fn hold(file: &Path) -> Result<(), CallError> {
    fs::write(file, "")?;
    while file.try_exists()? {
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn hang() -> ! {
    loop {
        thread::park();
    }
}

#[cfg(test)]
mod tests {
    use plugin_api::testing::Harness;
    use serde_json::json;

    use super::*;

    #[test]
    fn every_instance_is_another_one_and_counts_for_itself() {
        let ask = |harness: &Harness, tool: &str| match harness
            .call_tool(tool, json!({}))
            .unwrap()
            .content
            .as_slice()
        {
            [Content::Text { text, .. }] => text.clone(),
            other => panic!("one text, not {other:?}"),
        };
        let (one, other) = (Harness::new(plugin()), Harness::new(plugin()));
        assert_ne!(ask(&one, "bench.instance"), ask(&other, "bench.instance"));
        assert_eq!(ask(&one, "bench.instance"), ask(&one, "bench.instance"));
        assert_eq!(["bench.count"; 3].map(|tool| ask(&one, tool)), ["1", "2", "3"]);
        assert_eq!(ask(&other, "bench.count"), "1");
        assert_eq!(ask(&one, "bench.version"), "1.0.1");
    }
}
