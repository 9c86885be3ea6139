//! What a command decides, whatever the files say.

use std::{fmt, sync::Arc};

use server_core::settings::Settings;

/// Changes that are made to every configuration before it is used. By default none:
/// an operator's configuration counts as it is written.
#[derive(Clone, Default)]
pub struct Overlay(Option<Change>);

type Change = Arc<dyn Fn(&mut Settings) + Send + Sync>;

impl Overlay {
    /// One that changes this.
    #[must_use]
    pub fn new(change: impl Fn(&mut Settings) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(change)))
    }

    pub(super) fn put_over(&self, settings: &mut Settings) {
        if let Some(change) = &self.0 {
            change(settings);
        }
    }
}

impl fmt::Debug for Overlay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Overlay").field("is_some", &self.0.is_some()).finish()
    }
}
