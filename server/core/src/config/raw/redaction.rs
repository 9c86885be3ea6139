//! `redaction`, and `filters` at every level.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Texts;

/// How rules are called.
const RULE: &str = r"^[a-z][a-z0-9_]{0,63}$";

/// What is taken out of the log, and of results where `filters` says so. Secrets
/// that the server knows are taken out whatever stands here.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawRedaction {
    /// Rules that do not count, by the name that stands in `[REDACTED:name]`.
    #[schemars(extend("examples" = [["phone"]]))]
    pub(in crate::config) off: Option<Texts>,
    /// Rules of your own: regular expressions of what is to be taken out, each
    /// under a name.
    #[schemars(extend("propertyNames" = { "pattern": RULE }, "examples" = [{ "employee": "EMP-[0-9]{6}" }]))]
    pub(in crate::config) patterns: BTreeMap<String, String>,
    /// Regular expressions of what stays, whatever a rule says. They must match all
    /// of what the rule found.
    #[schemars(extend("examples" = [["support@example\\.lan"]]))]
    pub(in crate::config) allow: Option<Texts>,
    /// Names of fields whose values are secret, besides those that say so, such as
    /// `password`.
    #[schemars(extend("examples" = [["pin"]]))]
    pub(in crate::config) names: Option<Texts>,
}

/// What is done to what goes through the server.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawFilters {
    /// Whether secrets and personal data are taken out of results: `redact`, or
    /// `off`. Where tenant, agent and plugin differ, `redact` counts.
    #[schemars(extend("default" = "off", "examples" = ["redact"]))]
    pub(in crate::config) results: Option<RawResultFilter>,
    /// What becomes of prompts to models that hold secrets or personal data:
    /// `redact` sends them without that, `deny` refuses them. Where tenant, agent
    /// and plugin differ, the stricter one counts.
    #[schemars(extend("default" = "off", "examples" = ["deny"]))]
    pub(in crate::config) prompts: Option<RawPromptFilter>,
}

// Without doc comments on the variants, the schema is a plain `enum`.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum RawResultFilter {
    Off,
    Redact,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum RawPromptFilter {
    Off,
    Redact,
    Deny,
}
