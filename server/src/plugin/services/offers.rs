//! What plugins have withdrawn of what their manifests list.

use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError, RwLock},
};

use plugin_contract::{
    Manifest,
    op::{ErrorCode, Offer, Offered, OpError},
};

/// What one instance of a plugin has withdrawn. A clone is the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Withdrawn(Arc<RwLock<BTreeSet<Offered>>>);

impl Withdrawn {
    /// Whether it is to be had.
    pub(crate) fn offers(&self, thing: &Offered) -> bool {
        !self.0.read().unwrap_or_else(PoisonError::into_inner).contains(thing)
    }

    /// Withdraws something or offers it again. Says whether that is a change.
    pub(super) fn set(&self, manifest: &Manifest, offer: &Offer) -> Result<bool, OpError> {
        if !lists(manifest, &offer.thing) {
            let plugin = &manifest.name;
            let message =
                format!("plugin `{plugin}` does not list that, so it can neither withdraw nor offer it");
            return Err(OpError::new(ErrorCode::NotFound, message));
        }
        let mut withdrawn = self.0.write().unwrap_or_else(PoisonError::into_inner);
        Ok(if offer.available {
            withdrawn.remove(&offer.thing)
        } else {
            withdrawn.insert(offer.thing.clone())
        })
    }
}

fn lists(manifest: &Manifest, thing: &Offered) -> bool {
    match thing {
        Offered::Tool(name) => manifest.tools.iter().any(|it| it.name.as_str() == name),
        Offered::Resource(uri) => manifest.resources.iter().any(|it| it.uri.as_str() == uri),
        Offered::Template(uri) => {
            manifest.resource_templates.iter().any(|it| it.uri_template.as_str() == uri)
        }
        Offered::Prompt(name) => manifest.prompts.iter().any(|it| it.name.as_str() == name),
    }
}
