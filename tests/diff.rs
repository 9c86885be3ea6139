//! `diff`, as an operator types it before replacing a configuration.

use std::{
    fs,
    process::{Output, Stdio},
};

use serde_json::{Value, json};

use crate::support::{LAPTOP, REVIEWER, TWO_AGENTS, program};

/// Two folders, `old` and `new`, each with its config.yaml.
struct Folders(tempfile::TempDir);

impl Folders {
    fn new(old: &str, new: &str) -> Self {
        let folders = Self(tempfile::tempdir().unwrap());
        folders.write("old/config.yaml", old);
        folders.write("new/config.yaml", new);
        folders
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Runs `diff` with these arguments where the folders are.
    fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut command = program();
        command.arg("diff").args(arguments).current_dir(self.0.path()).stdin(Stdio::null());
        command.env_remove("LAPTOP_TOKEN").env_remove("REVIEWER_TOKEN").envs(variables.iter().copied());
        command.output().unwrap()
    }

    /// What `diff` prints that finds nothing wrong.
    fn diff(&self, variables: &[(&str, &str)]) -> String {
        let output = self.run(&["old/config.yaml", "new/config.yaml"], variables);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        String::from_utf8(output.stdout).unwrap()
    }
}

const TOKENS: &[(&str, &str)] = &[("LAPTOP_TOKEN", LAPTOP), ("REVIEWER_TOKEN", REVIEWER)];

#[test]
fn the_same_configuration_changes_nothing_for_anyone() {
    assert_eq!(Folders::new(TWO_AGENTS, TWO_AGENTS).diff(TOKENS), "no one gains or loses anything\n");
}

#[test]
fn what_an_edit_does_is_told_by_whom_it_concerns() {
    let new = TWO_AGENTS
        .replace("\"127.0.0.1:0\"", "\"127.0.0.1:1\", allowed_hosts: [mcp.example.lan]")
        .replace(
            "[\"core.echo\", \"core.sum\"]",
            "[\"core.echo\", \"web.*\"]\n    limits: { rate_limit: \"20/min\" }\n    filters: { prompts: deny }",
        )
        .replace("tools: [\"*\"] }", "tools: [\"*\"], disclosure: opaque }\n  ops: {}")
        + "plugins: { entries: { about: { enabled: false } } }\n";
    assert_eq!(
        Folders::new(TWO_AGENTS, &new).diff(TOKENS),
        "\
Agents
  agent laptop loses core.sum
  agent laptop loses about://policies, about://server
  agent reviewer loses about://policies, about://server
  agent laptop: tools + web.* (no such tool is loaded)
  agent laptop: filters.prompts off → deny
  agent laptop: rate_limit 60/min → 20/min

Tenants
  tenant ops is new
  tenant research: disclosure reasons → opaque

Plugins
  plugin entry about: enabled true → false
  plugin about is removed

Server
  server.listen 127.0.0.1:0 → 127.0.0.1:1
  server.allowed_hosts + mcp.example.lan
"
    );
}

#[test]
fn a_machine_gets_every_change_and_the_counts() {
    let new = TWO_AGENTS.replace(", \"core.sum\"]", "]");
    let output =
        Folders::new(TWO_AGENTS, &new).run(&["--json", "old/config.yaml", "new/config.yaml"], TOKENS);
    let page: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        page,
        json!({
            "changes": [{
                "kind": "loses", "thing": "tool", "names": ["core.sum"],
                "subject": { "type": "agents", "tenant": "research", "agents": ["laptop"] },
                "text": "agent laptop loses core.sum",
            }],
            "agents": { "before": 2, "removed": 0, "losing": 1 },
            "notes": [],
        })
    );
}

#[test]
fn each_configuration_has_the_secrets_of_its_own_folder() {
    let folders = Folders::new(TWO_AGENTS, TWO_AGENTS);
    folders.write("old/.env", &format!("LAPTOP_TOKEN={LAPTOP}\nREVIEWER_TOKEN={REVIEWER}\n"));
    folders.write("new/.env", &format!("LAPTOP_TOKEN={LAPTOP}-new\nREVIEWER_TOKEN={REVIEWER}\n"));
    assert_eq!(folders.diff(&[]), "Agents\n  agent laptop: a token was replaced\n");
}

#[test]
fn a_secret_that_is_not_there_is_no_change_and_is_told() {
    let file = |tools: &str| {
        TWO_AGENTS
            .replace("\"${REVIEWER_TOKEN}\"", "\"${file:secrets/reviewer}\"")
            .replace("[\"core.echo\", \"core.sum\"]", tools)
    };
    let folders = Folders::new(&file("[core.echo]"), &file("[core.sum]"));
    folders.write("new/.env", &format!("LAPTOP_TOKEN={LAPTOP}\n"));
    assert_eq!(
        folders.diff(&[]),
        "\
Agents
  agent laptop loses core.echo
  agent laptop gains core.sum

note: secrets that are not available count as the same in both: LAPTOP_TOKEN (not set for old/config.yaml), \
secrets/reviewer (No such file or directory (os error 2), for old/config.yaml)
"
    );
}

#[test]
fn plugins_are_known_by_what_their_manifests_claim_and_by_no_code() {
    let config = TWO_AGENTS.replace("tools: [\"*\"] }", "tools: [\"*\"] }\nplugins: { dir: plugins.d }");
    let folders = Folders::new(&config, &config);
    let manifest = json!({
        "schema": "mcp-universal-server.plugin/1",
        "manifest": {
            "name": "acme", "version": "1.0.0", "release": 1, "api": "1.0", "target": "any",
            "tools": [{ "name": "acme.look", "description": "Looks.", "input_schema": { "type": "object" } }],
        },
        "artifact": { "file": "libacme.so", "size": 1, "sha256": "0".repeat(64) },
    });
    folders.write("old/plugins.d/README", "");
    folders.write("new/plugins.d/acme/plugin.json", &manifest.to_string());
    folders.write("new/plugins.d/broken/plugin.json", "{ \u{1b}[31m");
    folders.write("new/plugins.d/empty/README", "");
    let text = folders.diff(TOKENS);
    let (changes, notes) = text.split_once("\nnote: ").unwrap();
    assert_eq!(changes, "Agents\n  agent reviewer gains acme.look\n\nPlugins\n  plugin acme 1.0.0 is new\n");
    let notes: Vec<_> = notes.lines().collect();
    assert!(notes[0].starts_with("new/plugins.d/broken/plugin.json: it is no plugin manifest: "), "{text}");
    assert_eq!(
        notes[1],
        "note: new/plugins.d/empty/plugin.json cannot be read: No such file or directory (os error 2); names in it are not known"
    );
    assert!(!text.contains('\u{1b}'), "{text:?}");

    fs::remove_dir_all(folders.0.path().join("old/plugins.d")).unwrap();
    let note = "\nnote: there is no folder old/plugins.d: a relative `plugins.dir` starts where its configuration is\n";
    assert!(folders.diff(TOKENS).contains(note), "{}", folders.diff(TOKENS));
}

#[test]
fn the_problems_of_both_are_told_and_the_exit_code_is_78() {
    let folders = Folders::new(&TWO_AGENTS.replace("deny:", "dney:"), &TWO_AGENTS.replace("tools:", "tols:"));
    let output = folders.run(&["old/config.yaml", "new/config.yaml"], TOKENS);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{errors}");
    for part in ["old/config.yaml:14:", "did you mean `deny`?", "new/config.yaml:4:", "did you mean `tools`?"]
    {
        assert!(errors.contains(part), "{errors}");
    }
    assert!(output.stdout.is_empty());
    let output = folders.run(&["no.yaml", "new/config.yaml"], TOKENS);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{errors}");
    assert!(errors.starts_with("error: cannot read no.yaml: No such file or directory"), "{errors}");
    assert!(errors.contains("did you mean `tools`?"), "{errors}");
}

#[test]
fn wrong_usage_exits_64_and_help_has_examples() {
    let folders = Folders::new(TWO_AGENTS, TWO_AGENTS);
    assert_eq!(folders.run(&["old/config.yaml"], TOKENS).status.code(), Some(64));
    let help = folders.run(&["--help"], &[]);
    assert_eq!(help.status.code(), Some(0));
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.contains("  mcp-universal-server diff config.yaml config.new.yaml"), "{help}");
}
