//! Runs the first code of a plugin: its library's constructors, its description
//! of itself, and the function that makes it. That is foreign code, which may
//! never return, so it has a thread of its own and a limited time.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError, SyncSender},
    },
    thread,
    time::Duration,
};

use plugin_contract::{Manifest, PluginName};
use serde_json::{Map, Value};
use server_core::registry::Instance;

use super::{
    fault::Fault,
    image::{LibraryImage, differs},
    in_process::{InProcess, Libraries, Module, Sealed, Sha},
    load::agree,
    services::HostServices,
};

/// Starts plugins in this process.
pub(crate) struct Starter {
    services: HostServices,
    patience: Duration,
    libraries: Arc<Libraries>,
    /// What never came back. To try it again would cost another thread.
    hung: Mutex<Vec<Attempt>>,
}

/// What a start depends on.
#[derive(Clone, Debug, PartialEq)]
struct Attempt {
    library: Sha,
    config: Map<String, Value>,
}

/// What is to be started.
pub(crate) struct Start<'p> {
    pub(crate) manifest: &'p Manifest,
    pub(crate) library: Sha,
    /// `None` if the library's file is of no use any more.
    pub(crate) image: Option<&'p LibraryImage>,
    pub(crate) config: &'p Map<String, Value>,
}

enum Code {
    Known(Module),
    New(Sealed),
}

type Started = Result<Arc<dyn Instance>, Fault>;

impl Starter {
    pub(crate) fn new(services: HostServices, patience: Duration) -> Self {
        Self { services, patience, libraries: Arc::default(), hung: Mutex::default() }
    }

    /// The libraries in this process.
    pub(crate) fn libraries(&self) -> &Libraries {
        &self.libraries
    }

    /// Starts a plugin, or gives up waiting for it.
    pub(crate) fn start(&self, start: &Start<'_>) -> Started {
        let plugin = &start.manifest.name;
        let attempt = Attempt { library: start.library, config: start.config.clone() };
        if self.hung.lock().unwrap_or_else(PoisonError::into_inner).contains(&attempt) {
            return Err(self.busy(plugin));
        }
        let work = self.prepare(start)?;
        let (tell, told) = mpsc::sync_channel(1);
        thread::Builder::new().name(format!("start {plugin}")).spawn(move || work(&tell)).map_err(
            |error| {
                Fault::new(
                    "no_thread",
                    format!("plugin `{plugin}` does not start: the system gives no thread for it: {error}"),
                    "raise the server's limit on threads",
                )
            },
        )?;
        match told.recv_timeout(self.patience) {
            Ok(started) => started,
            Err(RecvTimeoutError::Timeout) => {
                self.hung.lock().unwrap_or_else(PoisonError::into_inner).push(attempt);
                match self.libraries.linking() {
                    Some(linking) => Err(linker_busy(plugin, &linking)),
                    None => Err(self.busy(plugin)),
                }
            }
            // What the SDK guards against happened on our side.
            Err(RecvTimeoutError::Disconnected) => Err(Fault::new(
                "host_panicked",
                format!("plugin `{plugin}` does not start: starting it made the server panic"),
                "please report this with the plugin that did it",
            )),
        }
    }

    fn prepare(
        &self,
        start: &Start<'_>,
    ) -> Result<impl FnOnce(&SyncSender<Started>) + Send + 'static, Fault> {
        let Start { manifest, library, image, config } = *start;
        let code = match (self.libraries.module(&library), image, self.libraries.linking()) {
            (Some(module), ..) => Code::Known(module?),
            (None, None, _) => return Err(differs("it is not there")),
            (None, Some(_), Some(other)) => return Err(linker_busy(&manifest.name, &other)),
            (None, Some(image), None) => Code::New(Sealed::of(image)?),
        };
        let (manifest, config) = (manifest.clone(), Value::Object(config.clone()).to_string());
        let (libraries, services) = (self.libraries.clone(), self.services.clone());
        Ok(move |tell: &SyncSender<Started>| {
            let module = match code {
                Code::Known(module) => Ok(module),
                Code::New(sealed) => libraries.load(&manifest.name, library, sealed),
            };
            let started = module.and_then(|module| create(&module, &manifest, &config, &services));
            // Nobody waits any more for one that took too long: it is dropped.
            let _ = tell.send(started);
        })
    }

    fn busy(&self, plugin: &PluginName) -> Fault {
        Fault::new(
            "start_timed_out",
            format!("plugin `{plugin}` does not start: still busy after {} s", self.patience.as_secs_f32()),
            format!(
                "see `plugins.entries.{plugin}.config`, or ask the plugin's author; it is tried again when its configuration or its release is another one"
            ),
        )
    }
}

fn create(module: &Module, manifest: &Manifest, config: &str, services: &HostServices) -> Started {
    let plugin = &manifest.name;
    agree(manifest, &module.describe()?)?;
    let object = module.create(services.for_plugin(plugin.clone()), config).map_err(|error| {
        Fault::new(
            "create_failed",
            format!("plugin `{plugin}` does not start: {error}"),
            format!("see `plugins.entries.{plugin}.config`, or ask the plugin's author"),
        )
    })?;
    Ok(Arc::new(InProcess::new(plugin.clone(), object, services.calls().clone())))
}

/// A library's constructors run under a lock of the dynamic linker, which every
/// new thread needs too: who never leaves them takes the process along, by and by.
fn linker_busy(plugin: &PluginName, linking: &PluginName) -> Fault {
    Fault::new(
        "linker_busy",
        format!(
            "plugin `{plugin}` does not start: the dynamic linker does not come back from the library of plugin `{linking}`"
        ),
        format!(
            "restart the server, with another release of plugin `{linking}`: until then, it can begin no thread and load nothing more"
        ),
    )
}
