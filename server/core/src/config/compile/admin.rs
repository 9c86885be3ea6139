//! `admin` and `log`: the operator's door, and what the operator reads.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
};

use super::{Compiler, Place, tokens::Holder};
use crate::{
    config::raw::{RawAdmin, RawLevel},
    id::AgentId,
    settings::{AdminSettings, Agent, LogLevel, ServerSettings, overlap},
};

impl Compiler<'_> {
    /// The operator's door, if it has a token.
    pub(super) fn admin(
        &mut self,
        place: &Place,
        raw: &RawAdmin,
        server: &ServerSettings,
        agents: &BTreeMap<AgentId, Agent>,
    ) -> Option<AdminSettings> {
        let listen = raw.listen.as_deref().and_then(|text| self.listen(&place.key("listen"), text));
        let listen = listen.unwrap_or_else(default_listen);
        let Some(text) = raw.token.as_deref() else {
            if self.report.has(&Place::root(), "admin") && !self.report.has(place, "token") {
                let message = "`admin` has no token, so it is off".to_owned();
                let help = "add `token: \"${ADMIN_TOKEN}\"`".to_owned();
                self.report.warning(place, "no_token", message, Some(help));
            }
            return None;
        };
        let token_place = place.key("token");
        let token = self.token(&token_place, Holder::Admin, text)?;
        for (agent, _) in agents.iter().filter(|(_, agent)| agent.tokens.contains(&token)) {
            let message = format!("this is the token of agent `{agent}` too, which would let it in here");
            let help = "give `admin` a token of its own: `mcp-universal-server token new`".to_owned();
            self.report.error(&token_place, "duplicate_token", message, Some(help));
        }
        if overlap(listen, server.listen) {
            let message = format!(
                "`admin.listen` and `server.listen` cannot both be had: {listen} takes what arrives for {}",
                server.listen
            );
            let help = "give one of them another port".to_owned();
            self.report.error(&place.key("listen"), "duplicate_listen", message, Some(help));
        }
        Some(AdminSettings { listen, token })
    }
}

/// Where operators connect if nothing is said about it.
pub(in crate::config) fn default_listen() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 8081))
}

pub(super) fn level(raw: Option<RawLevel>) -> LogLevel {
    match raw {
        None => LogLevel::default(),
        Some(RawLevel::Error) => LogLevel::Error,
        Some(RawLevel::Warn) => LogLevel::Warn,
        Some(RawLevel::Info) => LogLevel::Info,
        Some(RawLevel::Debug) => LogLevel::Debug,
        Some(RawLevel::Trace) => LogLevel::Trace,
    }
}
