//! An agent that every edit changes, by which it shows whether the edit counts.

use std::net::{Ipv4Addr, SocketAddr};

use http::StatusCode;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    Failure,
    caller::{Agent, Caller, Mode},
    server::BASE,
};

/// Every edit has a number. It gives the agent the other one of two tools.
#[derive(Clone, Copy)]
pub(super) struct Edit {
    pub(super) number: u32,
    /// The number of the edit that gave it its token.
    token: u32,
}

impl Edit {
    /// One that gives the agent another token, too.
    pub(super) fn new(number: u32) -> Self {
        Self { number, token: number }
    }

    /// The next one, with the same token.
    pub(super) fn of_tools(self) -> Self {
        Self { number: self.number + 1, ..self }
    }

    /// The tool that the agent may use.
    pub(super) fn granted(self) -> &'static str {
        if self.number.is_multiple_of(2) { "core.echo" } else { "core.sum" }
    }

    fn denied(self) -> &'static str {
        Self { number: self.number + 1, ..self }.granted()
    }

    fn token(self) -> String {
        format!("probe-token-{:040}", self.token)
    }

    /// The agent, as a line of a configuration.
    pub(super) fn agent(self) -> String {
        let digest =
            Sha256::digest(self.token()).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        format!(
            "  probe: {{ tenant: bench, token: \"sha256:{digest}\", tools: [\"{}\"], limits: {{ rate_limit: \"1000000/s\" }} }}\n",
            self.granted()
        )
    }

    /// A whole configuration with it.
    pub(super) fn config(self) -> String {
        format!("{BASE}{}", self.agent())
    }
}

pub(super) struct Probe {
    agent: Agent,
    caller: Caller,
}

impl Probe {
    pub(super) async fn connect(address: SocketAddr, edit: Edit) -> Result<Self, Failure> {
        let agent = Agent { address, token: edit.token(), mode: Mode::Stateless };
        let caller = Caller::open(&agent, 0).await?;
        Ok(Self { agent, caller })
    }

    /// The edit counts whole: its token, the tool that it grants and the one that
    /// it does not, and no more the token of the edit before.
    pub(super) async fn sees(&mut self, edit: Edit) -> Result<(), Failure> {
        self.caller.with_token(&edit.token())?;
        let (granted, denied) = (edit.granted(), edit.denied());
        let tools = self.tools().await?;
        if tools != [granted] {
            return Err(format!("edit {}: {tools:?} in place of {granted}", edit.number));
        }
        for (tool, refused) in [(granted, false), (denied, true)] {
            let answer = self.call(tool).await?;
            let is_error = answer.pointer("/result/isError").and_then(Value::as_bool).unwrap_or(false);
            let denial = answer.pointer("/result/_meta/mcp-universal-server~1denial");
            if answer.get("result").is_none() || is_error != refused || denial.is_some() != refused {
                return Err(format!("edit {}: {tool} answered {answer}", edit.number));
            }
        }
        if edit.token > 0 {
            self.is_nobody(Edit::new(edit.token - 1)).await?;
        }
        Ok(())
    }

    /// The tools that are listed for it.
    pub(super) async fn tools(&mut self) -> Result<Vec<String>, Failure> {
        let (status, answer) = self.caller.ask("tools/list", None, json!({})).await?;
        let tools = answer.pointer("/result/tools").and_then(Value::as_array);
        let tools = tools.ok_or_else(|| format!("no list of tools: {status} {answer}"))?;
        Ok(tools.iter().filter_map(|tool| Some(tool.get("name")?.as_str()?.to_owned())).collect())
    }

    /// From another address every time: after ten failures a minute an address is
    /// answered late.
    async fn is_nobody(&self, edit: Edit) -> Result<(), Failure> {
        let own = Ipv4Addr::from_bits(Ipv4Addr::new(127, 1, 0, 1).to_bits() + edit.number % 1000);
        let agent = Agent { token: edit.token(), ..self.agent.clone() };
        let (status, _) = Caller::open_from(own, &agent, 0).await?.ask("tools/list", None, json!({})).await?;
        match status {
            StatusCode::UNAUTHORIZED => Ok(()),
            status => Err(format!("the token of edit {} is answered {status}", edit.number)),
        }
    }

    async fn call(&mut self, tool: &str) -> Result<Value, Failure> {
        let arguments = if tool == "core.sum" { json!({ "a": 2, "b": 3 }) } else { json!({ "text": "5" }) };
        let params = json!({ "name": tool, "arguments": arguments });
        let (status, answer) = self.caller.ask("tools/call", Some(tool), params).await?;
        if status == StatusCode::OK { Ok(answer) } else { Err(format!("{tool}: {status}")) }
    }
}
