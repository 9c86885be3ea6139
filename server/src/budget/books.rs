//! What is done in the books, each within a transaction that somebody else ends.

use std::{collections::HashMap, fs::File};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use server_core::{
    budget::{ChargeId, Owner, Period, Scope, Shortfall, Standing, Verdict, estimate::Habits, judge},
    id::AgentId,
    money::NanoDollars,
};

use super::{Ask, milliseconds};

/// By how many of its latest charges an agent's habits are known.
const LATEST: i64 = 64;

/// The connection that writes, and what is only known while the process runs.
pub(super) struct Books {
    pub(super) connection: Connection,
    /// Numbers the processes that have had the books. What is reserved by another
    /// one was left by it.
    run: i64,
    habits: HashMap<AgentId, Habits>,
    /// Held as long as the books are.
    _lock: File,
}

/// What became of a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It cost this.
    Cost(NanoDollars),
    /// Nobody knows: what was reserved counts as spent.
    Unknown,
    /// The provider was never asked.
    Nothing,
}

/// What a request cost in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Charge {
    pub(super) agent: String,
    pub(super) model: String,
    pub(super) cost: NanoDollars,
}

/// A charge that a process left open when it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stranded {
    /// Its name.
    pub id: ChargeId,
    /// Who spent it.
    pub agent: String,
    /// In whose name.
    pub tenant: String,
    /// On what.
    pub model: String,
    /// What is reserved, and counts as spent until it is released.
    pub reserved: NanoDollars,
    /// When it was.
    pub at: Moment,
}

/// A time of the books.
pub type Moment = Timestamp;

impl Books {
    /// The books, in the hands of one process more.
    pub(super) fn new(connection: Connection, lock: File) -> rusqlite::Result<Self> {
        connection.execute("UPDATE run SET number = number + 1", [])?;
        let run = run(&connection)?;
        Ok(Self { connection, run, habits: HashMap::new(), _lock: lock })
    }

    /// Reserves what is asked for, or says where it does not fit.
    pub(super) fn reserve(&mut self, ask: &Ask) -> rusqlite::Result<Verdict> {
        if let Some(is_open) = self.is_open(&ask.id)? {
            // Asked for twice, had once.
            return Ok(if is_open { Verdict::Admitted } else { Verdict::Denied(Vec::new()) });
        }
        let habits = self.habits_of(&ask.principal.agent)?;
        let wanted: Vec<_> = ask.scopes.iter().map(|scope| habits.reserve(scope.mode, ask.worst)).collect();
        let mut scopes = Vec::with_capacity(wanted.len());
        for (scope, wanted) in ask.scopes.iter().zip(wanted) {
            let standing = standing(&self.connection, self.run, scope)?;
            scopes.push((scope.clone(), standing, wanted));
        }
        let verdict = judge(&scopes);
        if verdict == Verdict::Admitted {
            self.hold(ask, &scopes)?;
        }
        Ok(verdict)
    }

    fn hold(&self, ask: &Ask, scopes: &[(Scope, Standing, NanoDollars)]) -> rusqlite::Result<()> {
        let mut charge = self.connection.prepare_cached(
            "INSERT INTO charge (id, run, agent, tenant, model, worst, reserved_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        let number = charge.insert(params![
            ask.id.as_str(),
            self.run,
            ask.principal.agent.as_str(),
            ask.principal.tenant.as_str(),
            ask.model,
            ask.worst.nanos(),
            milliseconds(Timestamp::now()),
        ])?;
        let mut hold =
            self.connection.prepare_cached("INSERT INTO hold VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
        for (scope, _, wanted) in scopes {
            let (kind, owner, period, label) = key(scope);
            hold.execute(params![kind, owner, period, label, number, self.run, wanted.nanos()])?;
        }
        Ok(())
    }

    /// Ends a charge, if it has not ended yet: saying so twice changes nothing.
    pub(super) fn settle(&mut self, id: &ChargeId, outcome: Outcome) -> rusqlite::Result<Option<Charge>> {
        let Some((number, worst, agent, model)) = self.open_charge(id)? else { return Ok(None) };
        let mut most = NanoDollars::ZERO;
        for (key, held) in self.holds(number)? {
            let cost = match outcome {
                Outcome::Cost(cost) => cost,
                Outcome::Unknown => held,
                Outcome::Nothing => NanoDollars::ZERO,
            };
            most = most.max(cost);
            self.add(&key, cost)?;
        }
        self.connection.prepare_cached("DELETE FROM hold WHERE charge = ?1")?.execute([number])?;
        self.connection
            .prepare_cached("UPDATE charge SET cost = ?2, settled_at = ?3 WHERE number = ?1")?
            .execute(params![number, most.nanos(), milliseconds(Timestamp::now())])?;
        if let (Outcome::Cost(cost), Ok(agent)) = (outcome, agent.parse::<AgentId>()) {
            self.habits_of(&agent)?.note(worst, cost);
        }
        Ok(Some(Charge { agent, model, cost: most }))
    }

    /// Gives back what other processes left reserved.
    pub(super) fn release(&mut self, only: Option<&[ChargeId]>) -> rusqlite::Result<Vec<Stranded>> {
        let mut released = stranded(&self.connection, self.run)?;
        released.retain(|it| only.is_none_or(|only| only.contains(&it.id)));
        for charge in &released {
            self.settle(&charge.id, Outcome::Nothing)?;
        }
        Ok(released)
    }

    /// Sets what counts as spent, and answers what counted before.
    pub(super) fn set(
        &self,
        owner: &Owner,
        period: Period,
        label: &str,
        spent: NanoDollars,
    ) -> rusqlite::Result<NanoDollars> {
        let key =
            (owner.kind().to_owned(), owner.name().to_owned(), period.as_str().to_owned(), label.to_owned());
        let before = spent_in(&self.connection, (&key.0, &key.1, &key.2, &key.3))?;
        self.put(&key, spent)?;
        Ok(before)
    }

    /// What a transaction that was rolled back may have learned is learned again.
    pub(super) fn forget_habits(&mut self) {
        self.habits.clear();
    }

    fn add(&self, key: &Key, cost: NanoDollars) -> rusqlite::Result<()> {
        // In Rust: where SQLite's integers end, it goes on with floats.
        let spent = spent_in(&self.connection, (&key.0, &key.1, &key.2, &key.3))?;
        self.put(key, spent.saturating_add(cost))
    }

    fn put(&self, (kind, owner, period, label): &Key, spent: NanoDollars) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO spent VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![kind, owner, period, label, spent.nanos()])?;
        Ok(())
    }

    fn is_open(&self, id: &ChargeId) -> rusqlite::Result<Option<bool>> {
        let mut find =
            self.connection.prepare_cached("SELECT settled_at IS NULL FROM charge WHERE id = ?1")?;
        find.query_row([id.as_str()], |row| row.get(0)).optional()
    }

    fn open_charge(&self, id: &ChargeId) -> rusqlite::Result<Option<(i64, NanoDollars, String, String)>> {
        let mut find = self.connection.prepare_cached(
            "SELECT number, worst, agent, model FROM charge WHERE id = ?1 AND settled_at IS NULL",
        )?;
        let charge = |row: &Row<'_>| Ok((row.get(0)?, nanos(row, 1)?, row.get(2)?, row.get(3)?));
        find.query_row([id.as_str()], charge).optional()
    }

    fn holds(&self, charge: i64) -> rusqlite::Result<Vec<(Key, NanoDollars)>> {
        let mut holds = self
            .connection
            .prepare_cached("SELECT kind, owner, period, label, nanos FROM hold WHERE charge = ?1")?;
        let hold = |row: &Row<'_>| Ok(((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?), nanos(row, 4)?));
        holds.query_map([charge], hold)?.collect()
    }

    /// What an agent's requests usually cost, as its latest charges show.
    fn habits_of(&mut self, agent: &AgentId) -> rusqlite::Result<&mut Habits> {
        if !self.habits.contains_key(agent) {
            let mut latest = self.connection.prepare_cached(
                "SELECT worst, cost FROM charge WHERE agent = ?1 AND cost IS NOT NULL ORDER BY number DESC LIMIT ?2",
            )?;
            let charge = |row: &Row<'_>| Ok((nanos(row, 0)?, nanos(row, 1)?));
            let charges = latest.query_map(params![agent.as_str(), LATEST], charge)?;
            let mut charges = charges.collect::<rusqlite::Result<Vec<_>>>()?;
            charges.reverse();
            let mut habits = Habits::default();
            charges.into_iter().for_each(|(worst, cost)| habits.note(worst, cost));
            self.habits.insert(agent.clone(), habits);
        }
        Ok(self.habits.entry(agent.clone()).or_default())
    }
}

/// Owner's kind and name, period, label.
type Key = (String, String, String, String);

fn key(scope: &Scope) -> (&str, &str, &str, &str) {
    (scope.owner.kind(), scope.owner.name(), scope.period.as_str(), &scope.window.label)
}

/// Which process has the books.
pub(super) fn run(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("SELECT number FROM run")?.query_row([], |row| row.get(0))
}

/// How a scope stands.
pub(super) fn standing(connection: &Connection, run: i64, scope: &Scope) -> rusqlite::Result<Standing> {
    let (kind, owner, period, label) = key(scope);
    let mut standing = Standing { spent: spent_in(connection, key(scope))?, ..Standing::default() };
    let mut holds = connection.prepare_cached(
        "SELECT run = ?5, nanos FROM hold WHERE kind = ?1 AND owner = ?2 AND period = ?3 AND label = ?4",
    )?;
    let mut holds = holds.query(params![kind, owner, period, label, run])?;
    while let Some(hold) = holds.next()? {
        let (is_ours, amount) = (hold.get(0)?, nanos(hold, 1)?);
        let sum = if is_ours { &mut standing.reserved } else { &mut standing.spent };
        *sum = sum.saturating_add(amount);
    }
    Ok(standing)
}

fn spent_in(
    connection: &Connection,
    (kind, owner, period, label): (&str, &str, &str, &str),
) -> rusqlite::Result<NanoDollars> {
    let mut spent = connection.prepare_cached(
        "SELECT nanos FROM spent WHERE kind = ?1 AND owner = ?2 AND period = ?3 AND label = ?4",
    )?;
    let found = spent.query_row(params![kind, owner, period, label], |row| nanos(row, 0)).optional()?;
    Ok(found.unwrap_or_default())
}

/// What other processes than `run` left reserved, the oldest first.
pub(super) fn stranded(connection: &Connection, run: i64) -> rusqlite::Result<Vec<Stranded>> {
    let mut charges = connection.prepare_cached(
        "SELECT id, agent, tenant, model, reserved_at,
            (SELECT max(nanos) FROM hold WHERE hold.charge = charge.number)
         FROM charge WHERE settled_at IS NULL AND run <> ?1 ORDER BY number",
    )?;
    let charge = |row: &Row<'_>| {
        let (id, at): (String, i64) = (row.get(0)?, row.get(4)?);
        let reserved: Option<i64> = row.get(5)?;
        let (Ok(id), Ok(at)) = (id.parse(), Timestamp::from_millisecond(at)) else { return Ok(None) };
        Ok(Some(Stranded {
            id,
            agent: row.get(1)?,
            tenant: row.get(2)?,
            model: row.get(3)?,
            reserved: NanoDollars::new(reserved.unwrap_or_default()),
            at,
        }))
    };
    charges.query_map([run], charge)?.filter_map(Result::transpose).collect()
}

fn nanos(row: &Row<'_>, column: usize) -> rusqlite::Result<NanoDollars> {
    row.get(column).map(NanoDollars::new)
}

/// The scopes of a verdict that is no yes.
pub(super) fn shortfalls(verdict: Verdict) -> Vec<Shortfall> {
    match verdict {
        Verdict::Admitted => Vec::new(),
        Verdict::Wait(shortfalls) | Verdict::Denied(shortfalls) => shortfalls,
    }
}
