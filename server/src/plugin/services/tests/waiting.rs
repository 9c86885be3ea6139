//! What services do that takes time, and what they may not do at all.

use std::{future, time::Duration};

use plugin_contract::Capability;
use tokio::runtime::{Builder, Runtime};

use super::*;
use crate::plugin::{
    deadline::Deadline,
    services::{PluginServices, Work},
};

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn waiting(runtime: &Runtime) -> Work {
    let core = instance(&services(), |_, _, _| Ok(Vec::new()));
    Work { runtime: Some(runtime.handle().clone()), ..work(permit(core)) }
}

#[test]
fn a_plugins_thread_waits_for_what_a_service_does() {
    let runtime = runtime();
    let slow = async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        5
    };
    assert_eq!(waiting(&runtime).wait_for(slow), Ok(5));
}

#[test]
fn a_service_stops_when_the_call_is_over_or_must_not_wait() {
    let runtime = runtime();
    for (change, message) in [
        (
            (|work: &mut Work| work.deadline = Deadline::after(Duration::from_millis(10))) as fn(&mut Work),
            "the call's time is up",
        ),
        (|work| work.abandoned.cancel(), "nobody waits for the call any more"),
        (|work| work.may_wait = false, "a tool that is `inline` must not wait: remove `.inline()`"),
    ] {
        let mut work = waiting(&runtime);
        change(&mut work);
        assert_eq!(work.wait_for(future::pending::<()>()).unwrap_err().message, message);
    }
}

#[test]
fn a_service_needs_the_capability_that_it_enforces() {
    let services = services();
    let core = instance(&services, |_, _, _| Ok(Vec::new()));
    let call = services.calls().begin(work(permit(core))).unwrap();
    let host = PluginServices::new("core".parse().unwrap(), services.0.clone(), Withdrawn::default());
    let refused = host.capable(call.token(), Capability::DbRead).unwrap_err();
    assert_eq!(
        refused.message.lines().collect::<Vec<_>>(),
        [
            "tool `core.echo` of plugin `core` does not declare capability `db:read`",
            "tool `core.echo` needs capability `db:read`, which plugin `core` is not granted",
            "tool `core.echo` needs capability `db:read`, which agent `default` is not granted",
            "tool `core.echo` needs capability `db:read`, which tenant `default` is not granted",
        ]
    );
}
