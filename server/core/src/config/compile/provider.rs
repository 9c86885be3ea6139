//! What a provider is: its interface, address and key.

use url::{Host, Url};

use super::{Compiler, Place};
use crate::{
    config::{
        mask::quoted,
        raw::{RawApi, RawProvider},
        secrets::{NoSecret, Reference},
    },
    llm::{Api, ApiKey},
};

/// What goes without saying, by the provider's name.
const KNOWN: [(&str, Api, &str); 3] = [
    ("anthropic", Api::AnthropicMessages, "https://api.anthropic.com"),
    ("openai", Api::OpenAiResponses, "https://api.openai.com/v1"),
    ("local", Api::OpenAiChat, "http://127.0.0.1:11434/v1"),
];

/// The interface that a provider speaks.
pub(super) fn api(name: &str, raw: Option<RawApi>) -> Api {
    match raw {
        Some(RawApi::AnthropicMessages) => Api::AnthropicMessages,
        Some(RawApi::OpenAiResponses) => Api::OpenAiResponses,
        Some(RawApi::OpenAiChat) => Api::OpenAiChat,
        None => KNOWN.iter().find(|(known, ..)| *known == name).map_or(Api::OpenAiChat, |(_, api, _)| *api),
    }
}

impl Compiler<'_> {
    /// Where a provider is.
    pub(super) fn base_url(&mut self, place: &Place, name: &str, raw: &RawProvider) -> Option<Url> {
        let usual = KNOWN.iter().find(|(known, ..)| *known == name).map(|(.., url)| *url);
        let Some(text) = raw.base_url.as_deref().or(usual) else {
            if !self.report.has(place, "base_url") {
                let message = format!("provider `{name}` has no `base_url`");
                let help = "add it, as in `base_url: \"http://127.0.0.1:11434/v1\"`".to_owned();
                self.report.key_error(place, "missing_key", message, Some(help));
            }
            return None;
        };
        let place = place.key("base_url");
        let wrong = match Url::parse(text) {
            Err(_) => "no URL",
            Ok(url) if !matches!(url.scheme(), "http" | "https") || !url.has_host() => "no URL of HTTP",
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                return self.credentials_in_url(&place);
            }
            Ok(url) if url.query().is_some() || url.fragment().is_some() => "more than an address and a path",
            Ok(url) => {
                self.warn_about_clear_text(&place, &url, raw.api_key.is_some());
                return Some(url);
            }
        };
        let message = format!("{} is {wrong}", quoted(text));
        let help = "write it as in `http://127.0.0.1:11434/v1`".to_owned();
        self.report.error(&place, "invalid_url", message, Some(help));
        None
    }

    fn credentials_in_url(&mut self, place: &Place) -> Option<Url> {
        let message = "a secret must not stand in the configuration, and this URL has a user or password";
        let help = "use `api_key: \"${NAME}\"`".to_owned();
        self.report.error(place, "literal_secret", message.to_owned(), Some(help));
        None
    }

    fn warn_about_clear_text(&mut self, place: &Place, url: &Url, has_key: bool) {
        let is_near = match url.host() {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        };
        if url.scheme() == "http" && has_key && !is_near {
            let message = "the API key and all prompts go there unencrypted".to_owned();
            self.report.warning(place, "clear_text", message, Some("use `https://`".to_owned()));
        }
    }

    /// What a provider knows us by. A variable that is not set is as good as none.
    pub(super) fn api_key(&mut self, place: &Place, name: &str, api: Api, text: Option<&str>) -> ApiKey {
        let key_place = place.key("api_key");
        let variable = format!("{}_API_KEY", name.to_ascii_uppercase().replace('-', "_"));
        let Some(text) = text else {
            return match api {
                // What is wrong with it has been reported.
                _ if self.report.has(place, "api_key") => ApiKey::None,
                Api::OpenAiChat => ApiKey::None,
                Api::AnthropicMessages | Api::OpenAiResponses => {
                    let help = format!(
                        "add `api_key: \"${{{variable}}}\"` to `llm.providers.{name}`, and set {variable}"
                    );
                    let message =
                        format!("provider `{name}` has no `api_key`, so none of its models can be used");
                    self.report.key_warning(place, "no_api_key", message, Some(help.clone()));
                    ApiKey::Missing { help }
                }
            };
        };
        if !Reference::names_a_source(text) {
            let message = "an API key must not stand in the configuration".to_owned();
            let main = self.report.main_file(place);
            let help = format!(
                "write it to the file `.env` beside {main}, as `{variable}=…`, and `\"${{{variable}}}\"` here"
            );
            self.report.error(&key_place, "literal_secret", message, Some(help));
            return ApiKey::None;
        }
        match self.secret(&key_place, text) {
            Ok(key) if is_sendable(key.expose()) => ApiKey::Is(key),
            Ok(_) => {
                let message =
                    format!("{text} holds no API key: it is empty, or has spaces or line breaks in it");
                self.report.error(&key_place, "invalid_secret", message, Some("correct it".to_owned()));
                ApiKey::None
            }
            Err(NoSecret::Unset(variable)) => {
                let message = format!(
                    "the variable `{variable}` is not set or empty, so none of the models of `{name}` can be used"
                );
                let help = self.set(&key_place, &format!("`{variable}`"));
                self.report.warning(&key_place, "unset_variable", message, Some(help.clone()));
                ApiKey::Missing { help }
            }
            Err(error) => {
                let message = format!("the API key of `{name}` is not to be had: {error}");
                let help = "create it, or let the server's user read it".to_owned();
                self.report.error(&key_place, "unreadable_file", message, Some(help));
                ApiKey::None
            }
        }
    }
}

/// Whether it fits into a header, and nothing else hides in it.
fn is_sendable(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic())
}
