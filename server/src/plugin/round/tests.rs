use std::fs;

use server_core::{registry::Provenance, settings::Isolation};

use super::*;
use crate::plugin::{
    Terms,
    start::Starter,
    testing::{instance, package, put, services},
    trust::today,
};

/// A plugin with the tool `weather.now`.
fn candidate(name: &str) -> Candidate {
    let mut package = package();
    package.manifest.name = name.parse().unwrap();
    let provenance = Provenance {
        folder: format!("plugins.d/{name}").into(),
        signer: "acme".parse().unwrap(),
        key_id: "0".repeat(16),
        sha256: package.artifact.sha256.clone(),
    };
    let plugin = Plugin {
        manifest: package.manifest.clone(),
        provenance,
        isolation: Isolation::InProcess,
        granted: [].into(),
        instance: instance(&services(), |_, _, _| Ok(Vec::new())),
        prepared: Default::default(),
    };
    Candidate { running: Running::made_up(plugin), record: Some(package) }
}

/// Admits plugins, and says which were taken, which run on, and why others do not.
fn admit(state: &Path, candidates: Vec<Candidate>) -> (Vec<String>, Vec<String>, Vec<&'static str>) {
    let settings = PluginSettings::default();
    let (keys, _) = KeyRing::new(&settings, Path::new(""), None, today());
    let starter = Arc::new(Starter::new(services(), &Terms::default()));
    let names: Vec<_> = candidates.iter().map(|it| it.running.plugin.manifest.name.clone()).collect();
    let loader = Loader::new(starter, &settings, AllRunning::default());
    let mut round = Round::new(settings, keys, state, loader);
    round.candidates = candidates;
    let registry = round.settle();
    let (registry, running) = round.commit(registry, AllRunning::default());
    let taken = registry.plugins().map(|plugin| plugin.manifest.name.to_string()).collect();
    let runs = names.iter().filter(|name| running.contains_key(*name)).map(ToString::to_string).collect();
    (taken, runs, round.refusals.iter().map(|refusal| refusal.code).collect())
}

#[test]
fn only_what_is_admitted_is_remembered() {
    let state = tempfile::tempdir().unwrap();
    let told = admit(state.path(), vec![candidate("one"), candidate("two")]);
    assert_eq!(told, (vec!["one".to_owned()], vec!["one".to_owned()], vec!["name_taken"]));
    let marks = fs::read(state.path().join("plugin-releases.json")).unwrap();
    let marks: serde_json::Value = serde_json::from_slice(&marks).unwrap();
    assert_eq!(marks.as_object().unwrap().keys().collect::<Vec<_>>(), ["one"]);
}

#[test]
fn what_cannot_be_remembered_does_not_run() {
    let root = tempfile::tempdir().unwrap();
    // No folder can be made below a file.
    put(root.path().join("file"), "");
    let state = root.path().join("new");
    std::os::unix::fs::symlink(root.path().join("file/state"), &state).unwrap();
    let told = admit(&state, vec![candidate("one")]);
    assert_eq!(told, (vec![], vec![], vec!["unreadable"]));
    fs::remove_file(&state).unwrap();
    std::os::unix::fs::symlink(root.path().join("nowhere"), &state).unwrap();
    let told = admit(&state, vec![candidate("one")]);
    assert_eq!(told, (vec![], vec![], vec!["marks_unwritable"]));
}
