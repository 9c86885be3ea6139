//! `egress` and `secrets`: how requests go out, where to, and with what.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
};

use super::{Compiler, Place, rights::RawRights};
use crate::{
    config::{
        mask::quoted,
        raw::{RawEgress, RawEgressMode, RawEntry, RawSecret, Texts},
        secrets::NoSecret,
    },
    egress::{Credential, Mode, Rule, Rules},
    id::{SecretName, TenantId},
    secret::Secret,
    settings::{Authorities, EgressSettings, Grant},
};

/// The port of DNS.
const DNS: u16 = 53;

/// The header that a secret is sent in if nothing is said about it.
const HEADER: &str = "authorization";

/// Headers that say where a request goes, or where it ends.
const NOT_FOR_SECRETS: [&str; 6] =
    ["connection", "content-length", "expect", "host", "transfer-encoding", "upgrade"];

/// The longest secret that fits into a header.
const MAX_SECRET: usize = 4096;

pub(super) fn mode(raw: Option<RawEgressMode>) -> Mode {
    match raw {
        None | Some(RawEgressMode::Enforce) => Mode::Enforce,
        Some(RawEgressMode::Report) => Mode::Report,
    }
}

impl Compiler<'_> {
    pub(super) fn egress(&mut self, place: &Place, raw: &RawEgress) -> EgressSettings {
        let servers = place.key("dns_servers");
        let servers = raw.dns_servers.iter().flat_map(Texts::iter).filter_map(|(item, text)| {
            let with_port = text.parse::<SocketAddr>();
            let address = with_port.or_else(|_| text.parse().map(|ip: IpAddr| SocketAddr::new(ip, DNS)));
            if address.is_err() {
                let message = format!("{} is no IP address", quoted(text));
                let help = "write it as in `10.0.0.53`, or with a port, as in `10.0.0.53:53`".to_owned();
                self.report.error(&servers.item(item), "invalid_dns_server", message, Some(help));
            }
            address.ok()
        });
        let dns_servers = servers.collect();
        let path = self.path(&place.key("ca_file"), raw.ca_file.as_deref());
        let authorities = path.and_then(|path| {
            let read = self.environment.file(&path);
            let pem = read.and_then(|pem| match pem.contains("-----BEGIN CERTIFICATE-----") {
                true => Ok(pem),
                false => Err("there is no certificate in it".to_owned()),
            });
            match pem {
                Ok(pem) => Some(Authorities { path, pem }),
                Err(error) => {
                    let message = format!("the file `{}` cannot be used: {error}", path.display());
                    let help = "write the certificates there, each as PEM".to_owned();
                    self.report.error(&place.key("ca_file"), "unreadable_file", message, Some(help));
                    None
                }
            }
        });
        EgressSettings { dns_servers, authorities }
    }

    /// The rules of one list.
    pub(super) fn rules(&mut self, place: &Place, texts: Option<&Texts>) -> Vec<Rule> {
        let items = texts.into_iter().flat_map(Texts::iter);
        items.filter_map(|(item, text)| self.parsed(&place.item(item), "invalid_rule", text)).collect()
    }

    /// Secrets that are granted, by names that there are.
    pub(super) fn secret_names(&mut self, place: &Place, texts: Option<&Texts>) -> BTreeSet<SecretName> {
        let mut names = BTreeSet::new();
        for (item, text) in texts.into_iter().flat_map(Texts::iter) {
            if let Some(known) = self.unknown("secrets", text) {
                self.refer_to_nothing(&place.item(item), "unknown_secret", "secret", text, &known);
            }
            names.extend(text.parse::<SecretName>().ok());
        }
        names
    }

    /// What the operator's entry for a plugin says about its requests.
    pub(super) fn entry_egress(
        &mut self,
        place: &Place,
        raw: &RawEntry,
    ) -> (Option<Rules>, BTreeSet<SecretName>) {
        let rules = raw.egress.as_ref().map(|texts| Rules {
            allow: self.rules(&place.key("egress"), Some(texts)),
            deny: Vec::new(),
            mode: mode(raw.egress_mode),
        });
        if rules.is_none() && raw.egress_mode.is_some() {
            let message = "`egress_mode` is about `egress`, and there is none here".to_owned();
            let help = "list the hosts in `egress`, or remove it".to_owned();
            self.report.warning(&place.key("egress_mode"), "without_effect", message, Some(help));
        }
        (rules, self.secret_names(&place.key("secrets"), raw.secrets.as_ref()))
    }

    pub(super) fn credentials(
        &mut self,
        place: &Place,
        raw: &BTreeMap<String, RawSecret>,
    ) -> BTreeMap<SecretName, Credential> {
        self.named(place, raw, |compiler, place, raw| {
            let value =
                raw.value.as_deref().and_then(|text| compiler.sendable_secret(&place.key("value"), text));
            let hosts = compiler.rules(&place.key("hosts"), raw.hosts.as_ref());
            let header = raw.header.as_deref().unwrap_or(HEADER).to_ascii_lowercase();
            if !may_hold_a_secret(&header) {
                let message = format!("a secret cannot be sent in the header {}", quoted(&header));
                let help = "name the header that the host expects it in".to_owned();
                compiler.report.error(&place.key("header"), "invalid_header", message, Some(help));
            }
            let prefix = raw.prefix.clone().unwrap_or_default();
            if !prefix.is_empty() && !is_header_value(&prefix) {
                let message =
                    "what stands before a secret is of visible ASCII characters and spaces".to_owned();
                let help = "write the word that the host expects, as in `\"Bearer \"`".to_owned();
                compiler.report.error(&place.key("prefix"), "invalid_prefix", message, Some(help));
            }
            Some(Credential { value, hosts, header, prefix })
        })
    }

    /// The secret that a text refers to, if there is one.
    fn sendable_secret(&mut self, place: &Place, text: &str) -> Option<Secret> {
        match self.secret(place, text) {
            Ok(value) if value.expose().len() > MAX_SECRET || !is_header_value(value.expose()) => {
                let message = "what this refers to cannot be sent in a header".to_owned();
                let help = "a secret has visible ASCII characters only, up to 4096".to_owned();
                self.report.error(place, "invalid_secret", message, Some(help));
                None
            }
            Ok(value) => Some(value),
            Err(NoSecret::Unset(name)) => {
                let message = format!("the variable `{name}` is not set, so requests with this secret fail");
                self.report.warning(place, "unset_variable", message, Some(self.set(place, &name)));
                None
            }
            Err(NoSecret::Unreadable { path, error }) => {
                let message =
                    format!("the file `{}` with this secret cannot be read: {error}", path.display());
                let help = "create it, or let the server's user read it".to_owned();
                self.report.error(place, "unreadable_file", message, Some(help));
                None
            }
            Err(NoSecret::NoReference | NoSecret::Digest) => {
                let message = "a secret must not stand in the configuration".to_owned();
                let help = format!(
                    "write it to the file `.env` beside {}, and `\"${{NAME}}\"` here",
                    self.report.main_file(place)
                );
                self.report.error(place, "literal_secret", message, Some(help));
                None
            }
        }
    }

    /// Says which of an agent's rules and secrets its tenant does not allow.
    pub(super) fn warn_about_egress(
        &mut self,
        place: &Place,
        raw: &RawRights<'_>,
        tenant: &TenantId,
        ceiling: &Grant,
    ) {
        for (item, text) in raw.egress.into_iter().flat_map(Texts::iter) {
            let Ok(rule) = text.parse::<Rule>() else { continue };
            let any = |mine: &Rule| mine.includes(&rule) || rule.includes(mine);
            if ceiling.egress.mode == Mode::Enforce && !ceiling.egress.allow.iter().any(any) {
                self.warn_above_ceiling(&place.key("egress").item(item), text, tenant, "egress");
            }
        }
        for (item, text) in raw.secrets.into_iter().flat_map(Texts::iter) {
            let Ok(name) = text.parse::<SecretName>() else { continue };
            if !ceiling.secrets.contains(&name) && self.unknown("secrets", text).is_none() {
                self.warn_above_ceiling(&place.key("secrets").item(item), text, tenant, "secrets");
            }
        }
    }
}

/// Whether it is the name of a header, and of none that says where a request goes
/// or where it ends.
fn may_hold_a_secret(header: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+.^_`|~-".contains(&byte);
    (1..=64).contains(&header.len())
        && header.bytes().all(token)
        && !NOT_FOR_SECRETS.contains(&header)
        && !header.starts_with("proxy-")
}

fn is_header_value(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
}
