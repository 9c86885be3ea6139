//! The adapters of mcp-universal-server and their wiring. What is decided, and
//! how, is in `server_core`; this crate listens, loads, reads files and speaks
//! MCP.

pub mod admin;
mod allowance;
pub mod app;
pub mod audit;
pub mod budget;
pub mod call_log;
mod chronicle;
pub mod cli;
pub mod config_files;
pub mod database;
pub mod egress;
mod files;
pub mod llm;
pub mod logging;
pub mod mcp;
pub mod plugin;
pub mod readiness;
pub mod reload;
pub mod supervisor;
pub mod transport;
