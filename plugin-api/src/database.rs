//! Databases that the agent is granted.

use plugin_contract::op::{Database, ListTables, Query, Rows, Tables, host as op};

use crate::{Call, HostError};

/// Queries databases on behalf of the agent: those that the operator grants it, by
/// name. Nothing can be written; where the databases are, and how to enter, stays
/// with the host.
#[derive(Clone, Copy)]
pub struct Databases<'c>(&'c Call);

impl<'c> Databases<'c> {
    pub(crate) fn new(call: &'c Call) -> Self {
        Self(call)
    }

    /// The databases, by name.
    pub fn list(&self) -> Result<Vec<Database>, HostError> {
        self.0.host(op::DATABASES, &())
    }

    /// The tables and views of a database that can be queried.
    pub fn tables(&self, tables: &ListTables) -> Result<Tables, HostError> {
        self.0.host(op::LIST_TABLES, tables)
    }

    /// Runs one statement that answers rows. Values belong into its parameters.
    pub fn query(&self, query: &Query) -> Result<Rows, HostError> {
        self.0.host(op::QUERY, query)
    }
}
