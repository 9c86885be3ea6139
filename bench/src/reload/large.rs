//! A large installation: ten thousand agents of five hundred tenants, in many
//! files, and five hundred tools.

use std::{
    fmt::Write as _,
    fs, io,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use super::{
    operator::Operator,
    probe::{Edit, Probe},
};
use crate::{
    Failure, Order,
    numbers::{ms, percentile},
    report::Report,
    server::{BASE, Server, write},
};

const FILES: usize = 20;
const TENANTS: usize = 25;
const AGENTS: usize = 20;

/// How long the whole may take to be read, compiled and in force, in
/// milliseconds.
const MOST: f64 = 200.0;

pub(super) async fn run(order: &Order, report: &mut Report) -> Result<(), Failure> {
    let edits = if order.smoke { 2 } else { 20 };
    let server = Server::start_with(&order.server, |folder| {
        let key = sign(order, folder)?;
        fs::create_dir(folder.join("agents.d")).map_err(|error| error.to_string())?;
        for file in 0..FILES {
            write(&folder.join(format!("agents.d/{file:02}.yaml")), &part(file))?;
        }
        write(&folder.join("agents.d/probe.yaml"), &format!("agents:\n{}", Edit::new(0).agent()))?;
        Ok(format!(
            r#"{BASE}include: ["agents.d/*.yaml"]
profiles:
  reader: {{ tools: ["many.*"], deny: ["many.tool-013", "many.tool-042"] }}
plugins:
  dir: ./plugins.d
  trusted_keys:
    bundled: {{ minisign: installed, plugins: ["*"], names: ["core.*", "about://*", "review_pr", "tool_usage"], in_process: true }}
    bench: {{ minisign: "{key}", plugins: ["many"], in_process: true }}
  entries:
    core: {{ isolation: in_process }}
    about: {{ isolation: in_process }}
    prompts: {{ isolation: in_process }}
    many: {{ isolation: in_process }}
"#
        ))
    })?;
    let mut operator = Operator::connect(&server).await?;
    let mut probe = Probe::connect(server.agents, Edit::new(0)).await?;
    probe.sees(Edit::new(0)).await?;
    report.line(&format!(
        "\n{} agents in {} tenants, 502 tools, {:.1} MiB of configuration in {} files, {:.0} MiB of memory",
        FILES * TENANTS * AGENTS + 2,
        FILES * TENANTS + 1,
        config_bytes(&server)? as f64 / 1048576.0,
        FILES + 2,
        server.program.resident()?
    ))?;

    let (mut said, mut took) = (Vec::new(), Vec::new());
    for edit in (1..=edits).map(Edit::new) {
        write(&server.file("agents.d/probe.yaml"), &format!("agents:\n{}", edit.agent()))?;
        let begun = Instant::now();
        operator.reload().await?;
        took.push(begun.elapsed());
        said.push(Duration::from_secs_f64(operator.last_took().await? / 1000.0));
        probe.sees(edit).await?;
    }
    let half = |values: &[Duration]| ms(percentile(values, 0.5));
    let worst = |values: &[Duration]| ms(percentile(values, 1.0));
    report.line(&format!("{edits} reloads took {:.0} ms at most", worst(&took)))?;
    report.at_most("a reload of it, as the server says", half(&said), MOST, " ms")?;
    report.at_most("the same, by the operator's clock", half(&took), MOST, " ms")
}

/// Signs the plugin into the folder, and says by which key.
fn sign(order: &Order, folder: &Path) -> Result<String, Failure> {
    let plugin = order.plugin.display().to_string();
    run_server(order, folder, &["plugin", "keygen", "bench", "--no-password"])?;
    run_server(order, folder, &["plugin", "sign", &plugin, "--key", "bench.key", "--out", "plugins.d"])?;
    let public = fs::read_to_string(folder.join("bench.pub")).map_err(|error| error.to_string())?;
    public.lines().last().map(str::to_owned).ok_or_else(|| "the key is empty".to_owned())
}

fn run_server(order: &Order, folder: &Path, arguments: &[&str]) -> Result<(), Failure> {
    let failed = |error: io::Error| format!("cannot run the server: {error}");
    let output = Command::new(&order.server).args(arguments).current_dir(folder).output().map_err(failed)?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("`{}` failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
}

/// A file of some tenants and their agents.
fn part(file: usize) -> String {
    let mut text = "tenants:\n".to_owned();
    let tenants = (0..TENANTS).map(|tenant| file * TENANTS + tenant);
    for tenant in tenants.clone() {
        let _ = writeln!(text, "  team-{tenant}: {{ tools: [\"*\"], limits: {{ timeout_seconds: 60 }} }}");
    }
    text.push_str("agents:\n");
    for tenant in tenants {
        for agent in tenant * AGENTS..(tenant + 1) * AGENTS {
            let _ = writeln!(
                text,
                "  agent-{agent}:\n    tenant: team-{tenant}\n    token: \"sha256:{agent:064x}\"\n    profiles: [reader]\n    tools: [\"core.echo\"]\n    limits: {{ rate_limit: \"20/min\" }}"
            );
        }
    }
    text
}

fn config_bytes(server: &Server) -> Result<u64, Failure> {
    let files = fs::read_dir(server.file("agents.d")).map_err(|error| error.to_string())?;
    Ok(files.filter_map(|file| file.ok()?.metadata().ok()).map(|file| file.len()).sum())
}
