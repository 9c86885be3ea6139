//! How long a large configuration takes. Run in release, when it matters:
//! `cargo test --release -p server-core --lib size -- --ignored --nocapture`.

use std::{fmt::Write as _, fs, time::Duration};

use super::{include::Folder, *};

/// A configuration of 10,000 agents in 500 tenants: a main file, and 20 of 25
/// tenants and their agents each.
fn large() -> (Source, Folder) {
    let text =
        "version: 1\ninclude: [\"teams.d/*\"]\nprofiles: { reader: { tools: [\"core.*\"] } }\ntenants: {}\n";
    let main = Source { path: "config.yaml".into(), text: text.to_owned() };
    let files = (0..20).map(|file| {
        let tenants = (0..25).map(|tenant| file * 25 + tenant);
        let mut text = "tenants:\n".to_owned();
        for tenant in tenants.clone() {
            writeln!(text, "  team-{tenant}: {{ tools: [\"*\"], limits: {{ timeout_seconds: 60 }} }}")
                .unwrap();
        }
        text.push_str("agents:\n");
        for agent in tenants.flat_map(|tenant| (0..20).map(move |agent| (tenant, tenant * 20 + agent))) {
            let (tenant, agent) = agent;
            writeln!(text, "  agent-{agent}:\n    tenant: team-{tenant}\n    token: \"sha256:{agent:064x}\"")
                .unwrap();
            writeln!(
                text,
                "    profiles: [reader]\n    deny: [\"core.sum\"]\n    limits: {{ rate_limit: \"20/min\" }}"
            )
            .unwrap();
        }
        (format!("teams.d/{file:02}.yaml"), text)
    });
    (main, Folder(files.collect()))
}

/// The time that this thread has been running, whatever else the machine does.
fn running() -> Duration {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}

#[test]
#[ignore = "it measures"]
fn large_configurations_compile_in_a_blink() {
    let (main, folder) = large();
    let bytes: usize = folder.0.iter().map(|(_, text)| text.len()).sum();
    println!("{bytes} bytes in {} files", folder.0.len());
    for _ in 0..5 {
        let begun = running();
        let mut lap = begun;
        let mut took = |what: &str| {
            println!("{what:>10} {:6.1} ms", (running() - lap).as_secs_f64() * 1000.0);
            lap = running();
        };
        let mut files = Files::new(&main);
        let mut parts = Parts::new(crate::config::include::read(&main, "").unwrap());
        let _sources = parts.include(&main, &folder, &mut files);
        took("parse");
        let mut report = Report::new(&files, &parts);
        took("report");
        let raw = structure::read(&mut report);
        took("structure");
        let mut compiler =
            Compiler { report, folder: Path::new(""), environment: &folder, secrets: Vec::new() };
        let settings = compiler.settings(&raw);
        assert_eq!(report_of(compiler.report.finish()), "");
        took("compile");
        let copy = settings.clone();
        took("clone");
        let live = crate::snapshot::Live::new(crate::snapshot::Content {
            config_sha256: String::new(),
            settings: copy,
            registry: crate::registry::Registry::default(),
        });
        took("snapshot");
        drop((live, settings, raw));
        println!("{:>10} {:6.1} ms", "all", (running() - begun).as_secs_f64() * 1000.0);
    }
    let begun = running();
    let compiled = compile(&main, &folder).unwrap();
    println!("{:>10} {:6.1} ms", "whole", (running() - begun).as_secs_f64() * 1000.0);
    assert_eq!(compiled.settings.agents.len(), 10_000);

    let begun = running();
    let wrong = folder.0.into_iter().map(|(path, text)| (path, text.replace("tenant: team", "tenant: taem")));
    let problems = compile(&main, &Folder(wrong.collect())).unwrap_err();
    println!("{:>10} {:6.1} ms", "all wrong", (running() - begun).as_secs_f64() * 1000.0);
    assert_eq!(problems.last().unwrap().message, "and 9900 more problems, shown once these are gone");
}

fn report_of(problems: Vec<Problem>) -> String {
    report(&problems)
}
