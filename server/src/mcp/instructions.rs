//! What a client is told about the server when it connects.

use server_core::{
    gateway::{Answer, Gateway},
    principal::Principal,
};

/// For the model that reads them. They promise only what the agent may use.
pub(super) fn of(gateway: &Gateway, principal: &Principal) -> String {
    let resource = matches!(gateway.resources(principal), Answer::Done(resources)
        if resources.iter().any(|resource| resource.spec.uri.as_str() == "about://policies"));
    let prompt = matches!(gateway.prompts(principal), Answer::Done(prompts)
        if prompts.iter().any(|prompt| prompt.spec.name.as_str() == "tool_usage"));
    let Principal { agent, tenant } = principal;
    let who = format!("This server knows you as agent `{agent}` of tenant `{tenant}`.");
    let where_to_look = match (resource, prompt) {
        (true, true) => {
            " The resource about://policies and the prompt `tool_usage` say what you may do here."
        }
        (true, false) => " The resource about://policies says what you may do here.",
        (false, true) => " The prompt `tool_usage` says what you may do here.",
        (false, false) => "",
    };
    format!("{who}{where_to_look} A refused call says why, and what would allow it.")
}
