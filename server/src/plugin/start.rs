//! Runs the first code of a plugin: its library's constructors, its description
//! of itself, and the function that makes it. That is foreign code, which may
//! never return or end the process, so it is tried in another process first. Here
//! it has a thread of its own and a limited time.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use plugin_abi::{HostObject, PluginObject};
use plugin_contract::{Manifest, PluginName};
use serde_json::Value;
use server_core::{
    registry::Instance,
    settings::{Isolation, PluginEntry},
};
use sha2::{Digest, Sha256};

use super::{
    Terms,
    fault::Fault,
    image::{LibraryImage, differs},
    in_process::{InProcess, Known, Libraries, Library, Module, Sealed, Sha},
    load::agree,
    services::{HostServices, Withdrawn},
    trial::{self, Outcome, Request},
    worker::{Nursery, Recipe, Workers},
};

/// Starts plugins in this process.
pub(crate) struct Starter {
    services: HostServices,
    patience: Duration,
    program: PathBuf,
    libraries: Arc<Libraries>,
    /// What starts workers, from the first one on.
    nursery: Mutex<Option<Arc<Nursery>>>,
    /// The libraries that workers have.
    sealed: Mutex<HashMap<Sha, Weak<Sealed>>>,
    /// What passed a trial, and what is not to be tried again: it would crash or
    /// hang again, and here a hang costs another thread.
    tried: Mutex<HashMap<Attempt, Result<(), Fault>>>,
}

/// The digest of what a start depends on: library and configuration.
type Attempt = [u8; 32];

/// What is to be started.
pub(crate) struct Start<'p> {
    pub(crate) manifest: &'p Manifest,
    pub(crate) library: Sha,
    /// `None` if the library's file is of no use any more.
    pub(crate) image: Option<&'p LibraryImage>,
    pub(crate) entry: &'p PluginEntry,
    pub(crate) require_landlock: bool,
}

enum Code {
    Known(Arc<Library>, Module),
    New(Sealed),
}

type Started = Result<Arc<dyn Instance>, Fault>;

impl Starter {
    pub(crate) fn new(services: HostServices, terms: &Terms) -> Self {
        let Terms { patience, program, .. } = terms.clone();
        let (libraries, nursery, sealed, tried) = Default::default();
        Self { services, patience, program, libraries, nursery, sealed, tried }
    }

    /// The libraries in this process.
    pub(crate) fn libraries(&self) -> &Libraries {
        &self.libraries
    }

    /// Starts a plugin where its entry says, or gives up waiting for it.
    pub(crate) fn start(&self, start: &Start<'_>) -> Started {
        let config = Value::Object(start.entry.config.clone()).to_string();
        let attempt = start.attempt(&config);
        let tried = self.tried().get(&attempt).cloned();
        if let Some(Err(fault)) = tried {
            return Err(fault);
        }
        match start.entry.isolation {
            Isolation::Process => self.start_workers(start, attempt, config),
            Isolation::InProcess => self.start_here(start, attempt, config, tried.is_some()),
        }
    }

    /// Starts a plugin in processes of its own, the first of which is its trial.
    fn start_workers(&self, start: &Start<'_>, attempt: Attempt, config: String) -> Started {
        let Start { manifest, entry, .. } = *start;
        let plugin = &manifest.name;
        let recipe = Recipe {
            nursery: self.nursery()?,
            program: self.program.clone(),
            library: self.sealed(start)?,
            manifest: manifest.clone(),
            config,
            settings: entry.worker,
            require_landlock: start.require_landlock,
            services: self.services.for_plugin(plugin.clone(), Withdrawn::default()),
            patience: self.patience,
        };
        let fault = match Workers::start(recipe) {
            Ok(workers) => return Ok(Arc::new(workers)),
            Err(Outcome::Fails(fault)) => return Err(fault),
            Err(Outcome::Crashes(fault)) => fault,
            Err(Outcome::Works | Outcome::Hangs) => self.busy(plugin),
        };
        self.tried().insert(attempt, Err(fault.clone()));
        Err(fault)
    }

    /// Starts a plugin in this process, once it has passed a trial.
    fn start_here(&self, start: &Start<'_>, attempt: Attempt, config: String, passed: bool) -> Started {
        let plugin = &start.manifest.name;
        let code = self.code(start)?;
        if !passed {
            self.pass_a_trial(attempt, code.file(), &Request::new(start.manifest, &config))?;
        }
        self.within_time(plugin, self.work(start, code, config)).unwrap_or_else(|| {
            let fault = match self.libraries.linking() {
                Some(linking) => linker_busy(plugin, &linking),
                None => self.busy(plugin),
            };
            self.tried().insert(attempt, Err(fault.clone()));
            Err(fault)
        })
    }

    /// What comes of a trial is remembered, unless it might be otherwise next time.
    fn pass_a_trial(&self, attempt: Attempt, library: &Sealed, request: &Request) -> Result<(), Fault> {
        let result = match trial::run(&self.program, library, request, self.patience) {
            Outcome::Works => Ok(()),
            Outcome::Fails(fault) => return Err(fault),
            Outcome::Crashes(fault) => Err(fault),
            Outcome::Hangs => Err(self.busy(request.plugin())),
        };
        self.tried().insert(attempt, result.clone());
        result
    }

    /// Does work on a thread of its own. `None` if that takes too long: then nobody
    /// waits for what comes of it, and it is dropped there.
    fn within_time(
        &self,
        plugin: &PluginName,
        work: impl FnOnce() -> Started + Send + 'static,
    ) -> Option<Started> {
        let (tell, told) = mpsc::sync_channel(1);
        let thread = thread::Builder::new().name(format!("start {plugin}")).spawn(move || {
            let _ = tell.send(work());
        });
        if let Err(error) = thread {
            return Some(Err(Fault::new(
                "no_thread",
                format!("plugin `{plugin}` does not start: the system gives no thread for it: {error}"),
                "raise the server's limit on threads",
            )));
        }
        match told.recv_timeout(self.patience) {
            Ok(started) => Some(started),
            Err(RecvTimeoutError::Timeout) => None,
            // A plugin's own panics are caught by the SDK: this one is ours.
            Err(RecvTimeoutError::Disconnected) => Some(Err(Fault::new(
                "host_panicked",
                format!("plugin `{plugin}` does not start: starting it made the server panic"),
                "please report this with the plugin that did it",
            ))),
        }
    }

    fn tried(&self) -> MutexGuard<'_, HashMap<Attempt, Result<(), Fault>>> {
        self.tried.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn nursery(&self) -> Result<Arc<Nursery>, Fault> {
        let mut nursery = self.nursery.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(nursery) = &*nursery {
            return Ok(nursery.clone());
        }
        let new = Nursery::new().map_err(|error| trial::unavailable(&error))?;
        Ok(nursery.insert(Arc::new(new)).clone())
    }

    /// The library for workers, whose files may be of no use any more by now.
    fn sealed(&self, start: &Start<'_>) -> Result<Arc<Sealed>, Fault> {
        let mut sealed = self.sealed.lock().unwrap_or_else(PoisonError::into_inner);
        sealed.retain(|_, it| it.strong_count() > 0);
        if let Some(library) = sealed.get(&start.library).and_then(Weak::upgrade) {
            return Ok(library);
        }
        let image = start.image.ok_or_else(|| differs("it is not there"))?;
        let library = Arc::new(Sealed::of(image)?);
        sealed.insert(start.library, Arc::downgrade(&library));
        Ok(library)
    }

    fn code(&self, start: &Start<'_>) -> Result<Code, Fault> {
        let Start { manifest, library, image, .. } = *start;
        match (self.libraries.known(&library), image, self.libraries.linking()) {
            (Some(Known { library, module }), ..) => Ok(Code::Known(library, module?)),
            (None, None, _) => Err(differs("it is not there")),
            (None, Some(_), Some(other)) => Err(linker_busy(&manifest.name, &other)),
            (None, Some(image), None) => Ok(Code::New(Sealed::of(image)?)),
        }
    }

    fn work(
        &self,
        start: &Start<'_>,
        code: Code,
        config: String,
    ) -> impl FnOnce() -> Started + Send + 'static {
        let (manifest, library) = (start.manifest.clone(), start.library);
        let (libraries, services) = (self.libraries.clone(), self.services.clone());
        move || {
            let module = match code {
                Code::Known(_, module) => module,
                Code::New(sealed) => libraries.load(&manifest.name, library, sealed)?,
            };
            create(&module, &manifest, &config, &services)
        }
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

impl Start<'_> {
    fn attempt(&self, config: &str) -> Attempt {
        let place = match self.entry.isolation {
            Isolation::InProcess => String::new(),
            Isolation::Process => format!("{:?} {}", self.entry.worker, self.require_landlock),
        };
        Sha256::new().chain_update(self.library).chain_update(place).chain_update(config).finalize().into()
    }
}

impl Code {
    fn file(&self) -> &Sealed {
        match self {
            Self::Known(library, _) => library.file(),
            Self::New(sealed) => sealed,
        }
    }
}

/// A plugin in this process, of a module that says what was signed.
fn create(module: &Module, manifest: &Manifest, config: &str, services: &HostServices) -> Started {
    let plugin = manifest.name.clone();
    let withdrawn = Withdrawn::default();
    let host = services.for_plugin(plugin.clone(), withdrawn.clone()).object();
    let object = make(module, manifest, config, host)?;
    Ok(Arc::new(InProcess::new(plugin, object, services.calls().clone(), withdrawn)))
}

/// Makes a plugin of a module that says what was signed.
pub(crate) fn make(
    module: &Module,
    manifest: &Manifest,
    config: &str,
    host: HostObject,
) -> Result<PluginObject, Fault> {
    let plugin = &manifest.name;
    agree(manifest, &module.describe()?)?;
    module.create(host, config).map_err(|error| {
        Fault::new(
            "create_failed",
            format!("plugin `{plugin}` does not start: {error}"),
            format!("see `plugins.entries.{plugin}.config`, or ask the plugin's author"),
        )
    })
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::plugin::testing::{instance, services};

    #[test]
    fn work_has_a_limited_time_and_may_panic() {
        let done = |patience, work: fn() -> Started| {
            let starter = Starter::new(services(), &Terms { patience, ..Terms::default() });
            let done = starter.within_time(&"core".parse().unwrap(), work);
            done.map(|started| started.err().map(|fault| fault.at(Path::new("")).code))
        };
        let long = Duration::from_secs(60);
        assert_eq!(done(long, || Ok(instance(&services(), |_, _, _| Ok(Vec::new())))), Some(None));
        assert_eq!(done(long, || Err(differs("it is not there"))), Some(Some("library_changed")));
        assert_eq!(done(long, || panic!("ours")), Some(Some("host_panicked")));
        let never: fn() -> Started = || {
            loop {
                thread::park();
            }
        };
        assert_eq!(done(Duration::ZERO, never), None);
    }
}
