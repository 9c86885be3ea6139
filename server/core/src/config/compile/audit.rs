//! `audit`: how the record of every decision is kept.

use std::time::Duration;

use super::{Compiler, Place};
use crate::{
    config::{
        raw::{RawAudit, RawDurability},
        secrets::{NoSecret, Reference},
    },
    secret::SigningKey,
    settings::{AuditSettings, Durability},
};

const DAY: u64 = 24 * 60 * 60;

impl Compiler<'_> {
    pub(super) fn audit(&mut self, place: &Place, raw: &RawAudit) -> AuditSettings {
        let default = AuditSettings::default();
        let segment_bytes = raw.segment_bytes.unwrap_or(default.segment_bytes);
        let keep_bytes = raw.keep_bytes.unwrap_or(default.keep_bytes);
        if keep_bytes < segment_bytes.saturating_mul(2) {
            let message = format!(
                "`keep_bytes` is {keep_bytes}, less than two segments of {segment_bytes} bytes, so that hardly anything is kept"
            );
            let key = if raw.keep_bytes.is_some() { "keep_bytes" } else { "segment_bytes" };
            let help = format!(
                "set `keep_bytes` to {} or more, or `segment_bytes` lower",
                segment_bytes.saturating_mul(2)
            );
            self.report.error(&place.key(key), "audit_too_small", message, Some(help));
        }
        AuditSettings {
            durability: raw.durability.map_or(default.durability, |durability| match durability {
                RawDurability::Os => Durability::Os,
                RawDurability::Strict => Durability::Strict,
            }),
            key: raw.key.as_deref().and_then(|text| self.audit_key(&place.key("key"), text)),
            segment_bytes,
            segment_age: raw.segment_seconds.map_or(default.segment_age, Duration::from_secs),
            keep_age: raw.keep_days.map_or(default.keep_age, |days| Duration::from_secs(days * DAY)),
            keep_bytes,
        }
    }

    /// A key that is named and cannot be had is a mistake: another one in its
    /// place would sign what nobody checks.
    fn audit_key(&mut self, place: &Place, text: &str) -> Option<SigningKey> {
        if !Reference::names_a_source(text) {
            let help = "write it to a file and its path here, as in `\"${file:/run/secrets/audit.key}\"`, or `\"${AUDIT_KEY}\"` for a variable";
            let message = "a key must not stand in the configuration".to_owned();
            self.report.error(place, "literal_key", message, Some(help.to_owned()));
            return None;
        }
        let make = "make one with `openssl rand -hex 32`".to_owned();
        let (code, message, help) = match self.secret(place, text) {
            Ok(secret) => match SigningKey::from_hex(secret.expose()) {
                Some(key) => return Some(key),
                None => {
                    let message = "it holds no key, which is 64 hexadecimal digits".to_owned();
                    ("invalid_key", message, make)
                }
            },
            Err(error @ NoSecret::Unset(_)) => ("unset_variable", error.to_string(), make),
            Err(error) => ("unreadable_file", error.to_string(), make),
        };
        self.report.error(place, code, message, Some(help));
        None
    }
}
