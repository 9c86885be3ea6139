//! The connector against servers and names that are not on its side: the groups G0
//! to G10 of mistakes that such guards make.

mod answers;
pub(crate) mod dns;
mod guards;
mod pooled;
mod redirects;
mod secrets;
mod secured;
pub(crate) mod tls_server;
pub(crate) mod upstream;

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, Method};
use server_core::{
    egress::{Rules, Scope, Target},
    policy::Permit,
    settings::{EgressSettings, Settings},
};
use tokio::runtime::{Builder, Runtime};

use super::*;
use crate::plugin::testing::{instance, permit_with, services};
use dns::Zone;

/// A connector whose names are those of a zone.
pub(super) struct World {
    pub(super) connector: Connector,
    pub(super) zone: Zone,
    pub(super) own: OwnAddresses,
    runtime: Runtime,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn with(change: impl FnOnce(&mut EgressSettings)) -> Self {
        let zone = Zone::default();
        let mut settings = EgressSettings { dns_servers: vec![zone.serve()], authorities: None };
        change(&mut settings);
        let own = OwnAddresses::default();
        let connector = Connector::new(&settings, own.clone()).unwrap();
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self { connector, zone, own, runtime }
    }

    pub(super) fn fetch(&self, permit: &Permit, request: Request) -> Result<Fetched, EgressError> {
        let scope = Scope::of(permit).unwrap();
        self.runtime.block_on(self.connector.fetch(scope, request))
    }

    pub(super) fn send(&self, permit: &Permit, request: Request) -> Result<Response, EgressError> {
        let scope = Scope::of(permit).unwrap();
        self.runtime.block_on(self.connector.send(scope, request))
    }

    pub(super) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    pub(super) fn get(&self, permit: &Permit, url: &str) -> Result<Fetched, EgressError> {
        self.fetch(permit, get(url))
    }

    /// The codes of the reasons why a request does not go out.
    pub(super) fn refused(&self, permit: &Permit, url: &str) -> Vec<&'static str> {
        match self.get(permit, url) {
            Err(EgressError::Refused(refusals)) => refusals.iter().map(Refusal::code).collect(),
            other => panic!("{url} was not refused: {other:?}"),
        }
    }
}

/// A call under these rules of both agent and tenant.
pub(super) fn allowed(rules: &[&str]) -> Arc<Permit> {
    allowed_with(rules, |_| {})
}

pub(super) fn allowed_with(rules: &[&str], change: impl FnOnce(&mut Settings)) -> Arc<Permit> {
    let rules = Rules { allow: rules.iter().map(|rule| rule.parse().unwrap()).collect(), ..Rules::default() };
    let core = instance(&services(), |_, _, _| Ok(Vec::new()));
    permit_with(core, |settings| {
        settings.agents.values_mut().for_each(|agent| agent.grant.egress = rules.clone());
        settings.tenants.values_mut().for_each(|tenant| tenant.grant.egress = rules.clone());
        change(settings);
    })
}

pub(super) fn get(url: &str) -> Request {
    Request::new(Method::GET, Target::parse(url).unwrap())
}

pub(super) fn text(fetched: &Fetched) -> String {
    String::from_utf8_lossy(&fetched.body).into_owned()
}

/// Bounds that a test does not have to wait long for.
pub(super) fn short() -> Bounds {
    let soon = Duration::from_millis(300);
    Bounds { head: soon, idle: soon, whole: Duration::from_millis(900), ..Bounds::default() }
}
