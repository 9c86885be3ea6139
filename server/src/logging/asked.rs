//! What an operator wants logged: `RUST_LOG`, or `log.level`.

use std::ffi::OsString;

use server_core::settings::LogLevel;
use tracing::{Level, metadata::LevelFilter};
use tracing_subscriber::filter::Targets;

/// The levels asked for, by target.
#[derive(Clone, Debug)]
pub struct Asked {
    targets: Targets,
    by_environment: bool,
}

/// `RUST_LOG` that means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLogFilter {
    /// Bytes that are no text.
    #[error("the variable RUST_LOG is not UTF-8 text; write a level such as `info`, or unset it")]
    NotUtf8,
    /// A part that is no directive.
    #[error(
        "the variable RUST_LOG cannot be used: `{0}` is no level and no `target=level`; \
         the levels are off, error, warn, info, debug and trace, and several parts are separated by commas"
    )]
    Part(String),
}

impl Asked {
    /// What the environment asks for.
    pub fn of_environment() -> Result<Self, InvalidLogFilter> {
        Self::of(std::env::var_os("RUST_LOG"))
    }

    fn of(variable: Option<OsString>) -> Result<Self, InvalidLogFilter> {
        let text = variable.unwrap_or_default().into_string().map_err(|_| InvalidLogFilter::NotUtf8)?;
        let Self { mut targets, mut by_environment } = LogLevel::default().into();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            by_environment = true;
            let level = |text: &str| -> Result<LevelFilter, InvalidLogFilter> {
                text.trim().parse().map_err(|_| InvalidLogFilter::Part(part.to_owned()))
            };
            targets = match part.split_once('=') {
                None => targets.with_default(level(part)?),
                Some((target, _)) if !is_target(target.trim()) => {
                    return Err(InvalidLogFilter::Part(part.to_owned()));
                }
                Some((target, text)) if !text.trim().is_empty() => {
                    targets.with_target(target.trim(), level(text)?)
                }
                Some(_) => return Err(InvalidLogFilter::Part(part.to_owned())),
            };
        }
        Ok(Self { targets, by_environment })
    }

    /// Whether `RUST_LOG` says something, so that the configuration does not count.
    pub(super) fn by_environment(&self) -> bool {
        self.by_environment
    }

    /// Whether lines of this target and level are asked for.
    pub(super) fn has(&self, target: &str, level: Level) -> bool {
        self.targets.would_enable(target, &level)
    }
}

/// What a level of the configuration asks for.
impl From<LogLevel> for Asked {
    fn from(level: LogLevel) -> Self {
        let level = match level {
            LogLevel::Error => LevelFilter::ERROR,
            LogLevel::Warn => LevelFilter::WARN,
            LogLevel::Info => LevelFilter::INFO,
            LogLevel::Debug => LevelFilter::DEBUG,
            LogLevel::Trace => LevelFilter::TRACE,
        };
        // What rmcp calls an error is any client that hangs up.
        let targets = Targets::new().with_default(level).with_target("rmcp", LevelFilter::OFF);
        Self { targets, by_environment: false }
    }
}

fn is_target(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_:-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    /// The levels of a target's lines that are asked for.
    fn most(variable: Option<&str>, target: &str) -> Option<Level> {
        let asked = Asked::of(variable.map(OsString::from)).unwrap();
        let levels = [Level::TRACE, Level::DEBUG, Level::INFO, Level::WARN, Level::ERROR];
        levels.into_iter().find(|level| asked.has(target, *level))
    }

    #[test]
    fn what_is_not_said_is_info() {
        for (variable, target, level) in [
            (None, "server", Some(Level::INFO)),
            (Some(""), "server", Some(Level::INFO)),
            (Some(" , "), "server", Some(Level::INFO)),
            (Some("warn"), "server", Some(Level::WARN)),
            (Some("WARN"), "server", Some(Level::WARN)),
            (Some("off"), "server", None),
            (Some("plugin=debug"), "server", Some(Level::INFO)),
            (Some("plugin=debug"), "plugin", Some(Level::DEBUG)),
            (Some("warn, plugin = debug"), "server", Some(Level::WARN)),
            (Some("trace"), "rmcp::service", None),
            (Some("rmcp=error,trace"), "rmcp::service", Some(Level::ERROR)),
        ] {
            assert_eq!(most(variable, target), level, "{variable:?}");
        }
    }

    #[test]
    fn an_empty_variable_leaves_it_to_the_configuration() {
        for (variable, by_environment) in [
            (None, false),
            (Some(""), false),
            (Some(" , "), false),
            (Some("info"), true),
            (Some("call=warn"), true),
        ] {
            assert_eq!(Asked::of(variable.map(OsString::from)).unwrap().by_environment(), by_environment);
        }
        let asked = Asked::from(LogLevel::Debug);
        assert!(asked.has("server", Level::DEBUG) && !asked.has("server", Level::TRACE));
        assert!(!asked.has("rmcp::service", Level::ERROR));
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for (variable, part) in [
            ("inof", "inof"),
            ("info,plugin=loud", "plugin=loud"),
            ("plugin=", "plugin="),
            ("=info", "=info"),
            ("a=b=info", "a=b=info"),
            ("a[b]=info", "a[b]=info"),
        ] {
            let error = Asked::of(Some(variable.into())).unwrap_err();
            assert_eq!(error, InvalidLogFilter::Part(part.to_owned()), "{variable}");
        }
        let bytes = OsString::from_vec(vec![0xff]);
        assert_eq!(Asked::of(Some(bytes)).unwrap_err(), InvalidLogFilter::NotUtf8);
    }
}
