//! What everything that is listed may show of itself.

use plugin_contract::op::Meta;

/// Pictures and `_meta`.
#[derive(Default)]
pub(crate) struct Looks {
    /// URLs, checked when the plugin is.
    pub(crate) icons: Vec<(String, String)>,
    pub(crate) meta: Meta,
}

macro_rules! looks {
    ($kind:ident) => {
        impl $kind {
            /// A picture for it, at an `https://` or `data:image/` URL, and its
            /// size, such as `48x48`, or `any` for what scales.
            #[must_use]
            pub fn icon(mut self, url: impl Into<String>, size: impl Into<String>) -> Self {
                self.looks.icons.push((url.into(), size.into()));
                self
            }

            /// An entry in its `_meta`, under a key such as `example.com/colour`.
            #[must_use]
            pub fn meta(mut self, key: impl Into<String>, value: impl Into<serde_json::Value>) -> Self {
                self.looks.meta.insert(key.into(), value.into());
                self
            }
        }
    };
}

pub(crate) use looks;
