//! What the server itself does, as the audit has it: reloads, plugins and
//! revocations.

use serde_json::{Value, json};
use server_core::{
    id::Generation,
    registry::{Plugin, Refusal},
};

use crate::{
    audit::Audit,
    plugin::{Change, Quarantine},
    reload::Attempt,
};

/// How many changes and problems of a reload are on record, and how long each.
const SENTENCES: usize = 200;
const SENTENCE: usize = 1000;

/// An attempt to reload, or the start.
pub(crate) fn reload(audit: &Audit, attempt: &Attempt) {
    let report = &attempt.report;
    let problems = report.problems.iter().map(|problem| &problem.message);
    audit.reload(&said(json!({
        "result": report.result,
        "trigger": attempt.trigger,
        "by": attempt.by,
        "generation": report.generation,
        "config_sha256": report.config_sha256,
        "candidate_sha256": report.candidate_sha256,
        "reason": report.reason,
        "changes": sentences(report.changes.iter()),
        "changes_count": report.changes.len(),
        "problems": sentences(problems),
        "problems_count": report.problems.len(),
    })));
}

/// Plugins came and went, and others were refused.
pub(crate) fn plugins(audit: &Audit, changes: &[Change], refused: &[&Refusal]) {
    for change in changes {
        let (what, before) = match change {
            Change::Loaded(_) => ("loaded", None),
            Change::Replaced { from, .. } => ("replaced", Some(from)),
            Change::Removed(_) => ("removed", None),
            Change::WentOn(_) => continue,
        };
        let Plugin { manifest, provenance, isolation, instance, .. } = &**change.plugin();
        let confinement = match change {
            Change::Removed(_) => None,
            _ => instance.workers().map(|workers| workers.confinement),
        };
        audit.plugin(&said(json!({
            "change": what,
            "plugin": manifest.name,
            "version": manifest.version,
            "release": manifest.release,
            "plugin_sha256": provenance.sha256,
            "signer": provenance.signer,
            "key_id": provenance.key_id,
            "isolation": isolation.as_str(),
            // Which version; none is a fact too.
            "landlock": confinement.as_ref().map(|it| it.landlock.unwrap_or(0)),
            "seccomp": confinement.as_ref().map(|it| it.seccomp),
            "uid": confinement.as_ref().map(|it| it.uid),
            "before_sha256": before.map(|it| &it.provenance.sha256),
        })));
    }
    for refusal in refused {
        let Refusal { place, code, message, .. } = refusal;
        audit.plugin_refused(&json!({ "place": place, "reason": code, "message": sentence(message) }));
    }
}

/// A plugin is left alone for a while.
pub(crate) fn quarantine(audit: &Audit, quarantine: &Quarantine) {
    let Quarantine { plugin, agent, lost, reason, length } = quarantine;
    audit.plugin(&said(json!({
        "change": "quarantined",
        "plugin": plugin,
        "agent": agent,
        "lost": lost,
        "reason": sentence(reason),
        "seconds": length.as_secs(),
    })));
}

/// Calls in flight were ended.
pub(crate) fn revocation(audit: &Audit, generation: Generation, calls: usize) {
    if calls > 0 {
        audit.revocation(&json!({ "generation": generation, "calls": calls }));
    }
}

/// Without what is not there.
fn said(mut says: Value) -> Value {
    if let Value::Object(says) = &mut says {
        says.retain(|_, value| !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty()));
    }
    says
}

fn sentences<'s>(all: impl Iterator<Item = &'s String>) -> Vec<String> {
    all.take(SENTENCES).map(|it| sentence(it)).collect()
}

fn sentence(text: &str) -> String {
    text.chars().take(SENTENCE).collect()
}
