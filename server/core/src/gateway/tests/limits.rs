//! The limits on tool calls, of agent, tenant and tool, at, below and above their
//! bounds.

use super::*;
use crate::{
    limits::{LimitCeilings, ToolLimits},
    secret::TokenDigest,
};

/// Puts a word on `demo.say` into the configuration.
fn of_tool(settings: &mut Settings, tools: &str, limits: LimitCeilings) {
    settings.tool_limits.push(Arc::new(ToolLimits { tools: tools.parse().unwrap(), limits }));
}

/// A tenant's ceiling, and what it leaves its agent, as compiling does.
fn of_tenant(settings: &mut Settings, limits: LimitCeilings) {
    settings.tenants.values_mut().for_each(|tenant| tenant.limits = limits);
    settings.agents.values_mut().for_each(|agent| agent.limits = agent.limits.under(&limits));
}

impl World {
    /// What a refused call is told, with what to do.
    fn told(&self, name: &str, arguments: Value) -> Vec<String> {
        match self.call(name, arguments) {
            Answer::Refused(denial) => {
                denial.reasons.iter().map(|reason| format!("{reason} ({})", reason.help())).collect()
            }
            other => panic!("expected a refusal, got {other:?}"),
        }
    }
}

/// `{"text":""}` has 11 bytes.
fn payload(bytes: usize) -> Value {
    json!({ "text": "x".repeat(bytes - 11) })
}

#[test]
fn a_payload_at_its_limit_passes_and_one_byte_more_does_not_and_says_whose_limit_it_is() {
    let ceiling = LimitCeilings { max_payload_bytes: Some(40), ..LimitCeilings::default() };
    let raise = |key: &str| format!("(send less, or raise `{key}.max_payload_bytes`)");
    for (set, to, key) in [
        (
            (|s: &mut Settings, _| limits_of(s).max_payload_bytes = 40) as fn(&mut Settings, LimitCeilings),
            "",
            "agents.laptop.limits",
        ),
        (of_tenant, "", "tenants.research.limits"),
        (|s, limits| of_tool(s, "demo.*", limits), " to `demo.*`", "tool_limits.demo.*"),
    ] {
        let world = world(|s| set(s, ceiling), echo());
        for bytes in [39, 40] {
            assert!(matches!(world.call("demo.say", payload(bytes)), Answer::Done(_)), "{key}: {bytes}");
        }
        let said = format!("the arguments have 41 bytes, and agent `laptop` may send 40{to} {}", raise(key));
        assert_eq!(world.told("demo.say", payload(41)), [said]);
        let records = world.records.0.lock().unwrap();
        assert_eq!(records.iter().map(|record| record.request_bytes).collect::<Vec<_>>(), [39, 40, 41]);
    }
}

#[test]
fn a_response_at_its_limit_passes_and_one_byte_more_does_not_and_says_whose_limit_it_is() {
    // The shortest answer has 39 bytes.
    let answer = |bytes: usize| json!({ "text": "x".repeat(bytes - 39) });
    let ceiling = LimitCeilings { max_response_bytes: Some(64), ..LimitCeilings::default() };
    let raise = |key: &str| format!("(ask for less, or raise `{key}.max_response_bytes`)");
    for (set, from, key) in [
        (
            (|s: &mut Settings, _| limits_of(s).max_response_bytes = 64) as fn(&mut Settings, LimitCeilings),
            "",
            "agents.laptop.limits",
        ),
        (of_tenant, "", "tenants.research.limits"),
        (|s, limits| of_tool(s, "demo.say", limits), " from `demo.say`", "tool_limits.demo.say"),
    ] {
        let world = world(|s| set(s, ceiling), echo());
        for bytes in [63, 64] {
            assert!(matches!(world.call("demo.say", answer(bytes)), Answer::Done(_)), "{key}: {bytes}");
        }
        let said = format!("the result has 65 bytes, and agent `laptop` may receive 64{from} {}", raise(key));
        assert_eq!(world.told("demo.say", answer(65)), [said]);
    }
}

#[test]
fn the_shortest_time_holds_and_the_refusal_says_whose_it_is() {
    let seconds = |seconds| LimitCeilings { timeout_seconds: Some(seconds), ..LimitCeilings::default() };
    for (tenant, tool, held, whose, key) in [
        (None, None, 30, "agent `laptop`", "agents.laptop.limits"),
        (Some(60), Some(60), 30, "agent `laptop`", "agents.laptop.limits"),
        (Some(20), Some(20), 20, "tenant `research`", "tenants.research.limits"),
        (Some(20), Some(10), 10, "`demo.*`", "tool_limits.demo.*"),
    ] {
        let late = Arc::new(Scripted(|invocation: &Invocation| {
            Err(InvokeError::TimedOut { seconds: invocation.timeout.as_secs() })
        }));
        let set = |s: &mut Settings| {
            tenant.into_iter().for_each(|tenant| of_tenant(s, seconds(tenant)));
            tool.into_iter().for_each(|tool| of_tool(s, "demo.*", seconds(tool)));
        };
        let world = world(set, late);
        assert_eq!(
            world.told("demo.say", json!({})),
            [format!(
                "tool `demo.say` was still running after {held} s, the limit of {whose} \
                 (ask for less at a time, or raise `{key}.timeout_seconds`)"
            )]
        );
        assert_eq!(world.outcomes(), [(true, "refused", "timed_out".to_owned())]);
    }
}

#[test]
fn all_limits_of_all_levels_are_checked_and_reported_together() {
    let world = world(
        |s| {
            limits_of(s).rate = "2/day".parse().unwrap();
            of_tenant(s, LimitCeilings { max_payload_bytes: Some(30), ..LimitCeilings::default() });
            let rate = Some("1/day".parse().unwrap());
            let limits = LimitCeilings { max_payload_bytes: Some(20), rate, ..LimitCeilings::default() };
            of_tool(s, "demo.say", limits);
        },
        echo(),
    );
    assert_eq!(world.refused("demo.say", payload(31)), ["payload_too_large", "payload_too_large"]);
    assert!(matches!(world.call("demo.say", payload(20)), Answer::Done(_)), "nothing was spent before");
    let told = world.told("demo.say", payload(21));
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(
        told[0],
        "the arguments have 21 bytes, and agent `laptop` may send 20 to `demo.say` \
         (send less, or raise `tool_limits.demo.say.max_payload_bytes`)"
    );
    assert!(told[1].starts_with("agent `laptop` may make 1/day calls of `demo.say`; try again in 86"));
    assert!(told[1].ends_with(" s (wait, or raise `tool_limits.demo.say.rate_limit`)"), "{told:?}");
    assert!(matches!(world.call("demo.other", payload(20)), Answer::Done(_)), "and none of the agent's");
    assert_eq!(
        world.refused("demo.say", payload(31)),
        ["payload_too_large", "payload_too_large", "rate_limited", "rate_limited"]
    );
}

/// Keeps what it was given.
#[derive(Default)]
struct Busy(std::sync::Mutex<Vec<Invocation>>);

impl crate::registry::Instance for Busy {
    fn invoke(
        &self,
        invocation: Invocation,
    ) -> futures::future::BoxFuture<'static, Result<Vec<u8>, InvokeError>> {
        self.0.lock().unwrap().push(invocation);
        Box::pin(futures::future::pending())
    }
}

#[test]
fn of_calls_at_the_same_time_as_many_run_as_each_level_lets() {
    let most = |most| LimitCeilings { concurrency: Some(most), ..LimitCeilings::default() };
    let busy = Arc::new(Busy::default());
    let set = |s: &mut Settings| {
        of_tenant(s, most(3));
        of_tool(s, "demo.say", most(2));
    };
    let world = world(set, busy.clone());
    let begin = |name: &'static str| {
        let (caller, gateway) = (caller(), &world.gateway);
        async move { gateway.call_tool(&caller, name, Map::new(), nobody()).await }
    };
    let answer = |name| match begin(name).now_or_never() {
        Some(Answer::Refused(denial)) => {
            let retry = |reason: &Reason| (reason.to_string(), reason.help(), reason.retry_after_ms());
            denial.reasons.iter().map(retry).collect()
        }
        _ => Vec::new(),
    };
    let of_say = (
        "agent `laptop` has 2 calls of `demo.say` running, and may have 2".to_owned(),
        "wait for a call to end, or raise `tool_limits.demo.say.concurrency`".to_owned(),
        Some(1000),
    );
    let of_all = (
        "agent `laptop` has 3 calls running, and may have 3".to_owned(),
        "wait for a call to end, or raise `tenants.research.limits.concurrency`".to_owned(),
        Some(1000),
    );
    assert_eq!([answer("demo.say"), answer("demo.say")], [[], []], "below and at the bound");
    assert_eq!(answer("demo.say"), std::slice::from_ref(&of_say));
    assert_eq!(answer("demo.other"), []);
    assert_eq!(answer("demo.say"), [of_all.clone(), of_say]);
    assert_eq!(answer("demo.other"), [of_all]);
    busy.0.lock().unwrap().remove(0);
    assert_eq!(answer("demo.say"), [], "one has ended");
}

#[test]
fn the_server_runs_so_many_calls_and_no_agent_takes_every_place() {
    let busy = Arc::new(Busy::default());
    let world = world(
        |s| {
            s.server.load.max_calls = 4;
            let mut other = s.agents.values().next().unwrap().clone();
            other.tokens = vec![TokenDigest::of("other-token")];
            s.agents.insert("other".parse().unwrap(), other);
        },
        busy.clone(),
    );
    let call = |agent: &str, name: &'static str| {
        let principal = Principal { agent: agent.parse().unwrap(), ..principal() };
        let caller = Caller { principal, token: TokenDigest::of(&format!("{agent}-token")), address: None };
        let answer = world.gateway.call_tool(&caller, name, Map::new(), nobody()).now_or_never();
        match answer {
            Some(Answer::Refused(denial)) => denial.reasons,
            _ => Vec::new(),
        }
    };
    assert_eq!([call("laptop", "demo.say"), call("laptop", "demo.say")], [[], []]);
    let reasons = call("laptop", "demo.say");
    let [reason] = &reasons[..] else { panic!("{reasons:?}") };
    assert_eq!(
        (reason.code(), reason.to_string().as_str(), reason.help().as_str(), reason.retry_after_ms()),
        (
            "server_overloaded",
            "the server has 2 calls running, of 4 that it may have, and 2 of them are agent `laptop`'s; \
             try again in 1.0 s",
            "wait for calls to end, or raise `server.max_calls`",
            Some(1000)
        )
    );
    assert_eq!(call("other", "demo.say"), [], "there is room for others");
    let read = || {
        let caller = caller();
        match world.gateway.read_resource(&caller, "demo://fixed", nobody()).now_or_never() {
            Some(Answer::Refused(denial)) => codes(&denial.reasons),
            _ => Vec::new(),
        }
    };
    assert_eq!(read(), [""; 0], "whatever runs code takes a place");
    assert_eq!(read(), ["server_overloaded"]);
    assert_eq!(codes(&call("other", "demo.say")), ["server_overloaded"]);
    assert!(matches!(world.gateway.tools(&principal()), Answer::Done(_)), "lists go on");
    busy.0.lock().unwrap().clear();
    assert_eq!(call("other", "demo.say"), []);
}

#[test]
fn what_is_known_of_idle_agents_is_let_go() {
    let world = world(|_| {}, echo());
    assert!(matches!(world.call("demo.say", json!({ "text": "x" })), Answer::Done(_)));
    world.gateway.forget_idle();
    assert_eq!(world.gateway.in_flight(), BTreeMap::new());
}
