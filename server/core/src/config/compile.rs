//! From the configuration as written to the one that is used.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use plugin_contract::Capability;

use super::{
    Environment,
    mask::quoted,
    place::Place,
    raw::{RawConfig, RawReload, Texts},
    report::Report,
};
use crate::{
    pattern::Pattern,
    settings::{HoldSettings, ReloadSettings, SecretUse, Settings},
};

mod admin;
mod agents;
mod egress;
mod limits;
mod llm;
mod money;
mod plugins;
mod provider;
mod rights;
mod server;
mod spending;
mod tokens;

pub(super) use admin::default_listen as default_admin_listen;
pub(super) use plugins::default_plugins;
pub(super) use rights::default_patterns;
pub(super) use server::default_server;

/// Turns the parts of a [`RawConfig`] into those of [`Settings`], and reports
/// every problem on the way. What is wrong is left out, so that one mistake is
/// one problem.
pub(super) struct Compiler<'a> {
    pub(super) report: Report<'a>,
    /// Where relative paths start.
    pub(super) folder: &'a Path,
    pub(super) environment: &'a dyn Environment,
    /// Those that were looked for so far.
    pub(super) secrets: Vec<SecretUse>,
}

fn reload(raw: &RawReload) -> ReloadSettings {
    let default = ReloadSettings::default();
    ReloadSettings {
        poll: raw.poll_ms.map_or(default.poll, Duration::from_millis),
        hold: HoldSettings {
            removed_agents_percent: raw.hold.removed_agents_percent,
            wide_egress: raw.hold.wide_egress.unwrap_or_default(),
        },
    }
}

impl Compiler<'_> {
    /// The settings. They hold only if no problem is an error.
    pub(super) fn settings(&mut self, raw: &RawConfig) -> Settings {
        let root = Place::root();
        let server = self.server(&root.key("server"), &raw.server);
        let state_dir = self.path(&root.key("state").key("dir"), raw.state.dir.as_deref());
        let egress = self.egress(&root.key("egress"), &raw.egress);
        let credentials = self.credentials(&root.key("secrets"), &raw.secrets);
        let plugins = self.plugins(&root.key("plugins"), &raw.plugins);
        let limits = self.limits(&root.key("limits"), &raw.limits);
        let tool_limits = self.tool_limits(&root.key("tool_limits"), &raw.tool_limits);
        let profiles = self.profiles(&root.key("profiles"), &raw.profiles);
        let llm = self.llm(&root.key("llm"), &raw.llm);
        let tenants = self.tenants(&root.key("tenants"), &raw.tenants);
        let agents = self.agents(
            &root.key("agents"),
            &raw.agents,
            &agents::Around { limits, profiles, tenants: &tenants },
        );
        let admin = self.admin(&root.key("admin"), &raw.admin, &server, &agents);
        Settings {
            server,
            admin,
            log_level: admin::level(raw.log.level),
            secrets: std::mem::take(&mut self.secrets),
            state_dir: state_dir.unwrap_or_else(|| self.folder.join(super::STATE_DIR)),
            reload: reload(&raw.reload),
            egress,
            credentials,
            plugins,
            tool_limits,
            llm,
            tenants,
            agents,
        }
    }

    /// A value, parsed; or its error, reported.
    fn parsed<T: FromStr<Err: fmt::Display>>(
        &mut self,
        place: &Place,
        code: &'static str,
        text: &str,
    ) -> Option<T> {
        let parsed: Result<T, _> = text.parse();
        let say = |error: T::Err| error.to_string().replace(&format!("`{text}`"), &quoted(text));
        parsed.map_err(|error| self.report.error(place, code, say(error), None)).ok()
    }

    /// A mapping's entries whose names are valid, each compiled. The others are
    /// compiled too, for the problems inside of them. A name that is shown is
    /// [`Report::name_at`] the place.
    fn named<K: FromStr<Err: fmt::Display> + Ord, R, V>(
        &mut self,
        place: &Place,
        raw: &BTreeMap<String, R>,
        mut compile: impl FnMut(&mut Self, &Place, &R) -> Option<V>,
    ) -> BTreeMap<K, V> {
        let mut compiled = BTreeMap::new();
        for (name, raw) in raw {
            let place = place.key(name.clone());
            let value = compile(self, &place, raw);
            let name = self.name(&place, name);
            compiled.extend(name.zip(value));
        }
        // Of entries that are no mappings, only the names are left to check.
        for name in self.report.keys(place).into_iter().filter(|name| !raw.contains_key(*name)) {
            self.name::<K>(&place.key(name.to_owned()), name);
        }
        compiled
    }

    fn name<K: FromStr<Err: fmt::Display>>(&mut self, place: &Place, name: &str) -> Option<K> {
        let parsed: Result<K, _> = name.parse();
        let report = &mut self.report;
        let mut say = |error: K::Err| {
            let shown = format!("`{}`", report.name_at(place));
            let message = error.to_string().replace(&format!("`{name}`"), &shown);
            report.key_error(place, "invalid_name", message, None);
        };
        parsed.map_err(&mut say).ok()
    }

    fn patterns(&mut self, place: &Place, texts: &Texts) -> Vec<Pattern> {
        let parse = |(item, text)| self.parsed(&place.item(item), "invalid_pattern", text);
        texts.iter().filter_map(parse).collect()
    }

    /// The schema has reported the names it does not know.
    fn capabilities(texts: Option<&Texts>) -> BTreeSet<Capability> {
        texts.into_iter().flat_map(Texts::iter).filter_map(|(_, text)| text.parse().ok()).collect()
    }

    /// A path, from where relative ones start.
    fn path(&mut self, place: &Place, text: Option<&str>) -> Option<PathBuf> {
        let text = text?;
        if text.starts_with('~') || text.contains("${") {
            let message = format!(
                "`{}` is taken as it is: `~` and variables are not replaced",
                self.report.shown(place).label()
            );
            self.report.error(place, "invalid_path", message, Some("write the whole path".to_owned()));
        }
        // Without the `.` of `./state`.
        Some(self.folder.join(text).components().collect())
    }
}
