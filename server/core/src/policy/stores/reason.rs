//! Why files or a database cannot be read, or no further.

use plugin_contract::ToolName;

use crate::{
    id::{AgentId, DatabaseName, RootName, TenantId},
    policy::Thing,
};

/// One reason against, as [`Reason`](crate::policy::Reason) has them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreReason {
    /// The agent is granted none of what the tool reads.
    #[error("tool `{tool}` needs a {thing}, and agent `{agent}` is granted none")]
    NothingGrantedToAgent {
        /// Whose grant.
        agent: AgentId,
        /// Which tool.
        tool: ToolName,
        /// What it reads.
        thing: Thing,
    },
    /// The tenant is granted none of what the tool reads.
    #[error("tool `{tool}` needs a {thing}, and tenant `{tenant}` is granted none")]
    NothingGrantedToTenant {
        /// Whose ceiling.
        tenant: TenantId,
        /// Which tool.
        tool: ToolName,
        /// What it reads.
        thing: Thing,
    },
    /// The root keeps what begins with a dot to itself.
    #[error("`{path}` is hidden, and file root `{root}` shows no hidden files")]
    HiddenFile {
        /// Below which root.
        root: RootName,
        /// Which file or folder.
        path: String,
    },
    /// The query took too long.
    #[error("the query was still running after {seconds} s, the limit of database `{database}`")]
    QueryTimedOut {
        /// Whose limit.
        database: DatabaseName,
        /// The limit.
        seconds: u64,
    },
    /// A single row, or what else the database sent, is too large.
    #[error("the answer is larger than {limit} bytes, the limit of database `{database}`")]
    AnswerTooLarge {
        /// Whose limit.
        database: DatabaseName,
        /// The limit.
        limit: u64,
    },
}

impl StoreReason {
    pub(in crate::policy) fn code(&self) -> &'static str {
        match self {
            Self::NothingGrantedToAgent { .. } => "nothing_granted_to_agent",
            Self::NothingGrantedToTenant { .. } => "nothing_granted_to_tenant",
            Self::HiddenFile { .. } => "hidden_file",
            Self::QueryTimedOut { .. } => "query_timed_out",
            Self::AnswerTooLarge { .. } => "answer_too_large",
        }
    }

    pub(in crate::policy) fn help(&self) -> String {
        match self {
            Self::NothingGrantedToAgent { agent, thing, .. } => {
                format!("name one in `agents.{agent}.{}`", thing.key())
            }
            Self::NothingGrantedToTenant { tenant, thing, .. } => {
                format!("name one in `tenants.{tenant}.{}`", thing.key())
            }
            Self::HiddenFile { root, .. } => {
                format!("read other files, or set `files.roots.{root}.hidden: true`")
            }
            Self::QueryTimedOut { database, .. } => {
                format!("ask for less, or raise `databases.{database}.timeout_seconds`")
            }
            Self::AnswerTooLarge { database, .. } => {
                format!("ask for less, or raise `databases.{database}.max_bytes`")
            }
        }
    }
}
