//! What mcp-universal-server decides: who may do what, within which limits, and
//! what a call's life looks like.
//!
//! This crate never listens, connects, loads or waits: it knows no HTTP server,
//! no MCP library and no runtime. What it needs of the world it asks for through
//! small traits ([`config::Environment`], [`registry::Instance`],
//! [`gateway::CallLog`]) that the `mcp-universal-server` crate implements.

pub mod about;
pub mod arguments;
pub mod budget;
pub mod config;
pub mod conversation;
pub mod diff;
pub mod egress;
pub mod gateway;
pub mod id;
pub mod invocation;
pub mod limits;
pub mod llm;
pub mod money;
pub mod paste_guard;
pub mod pattern;
pub mod policy;
pub mod principal;
pub mod registry;
pub mod secret;
pub mod settings;
pub mod snapshot;
pub mod unused;
pub mod workers;

#[cfg(test)]
mod testing;
