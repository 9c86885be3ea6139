//! Whether reloads leave anything behind in memory.

use super::{
    operator::Operator,
    probe::{Edit, Probe},
};
use crate::{
    Failure, Order,
    caller::Mode,
    load::{Fleet, Until},
    report::Report,
    server::{BASE, Server, write},
};

/// After so many reloads it is looked at first.
const FIRST: u32 = 10;

/// How much more it may be in the end, in per cent.
const MOST: f64 = 10.0;

pub(super) async fn run(order: &Order, report: &mut Report) -> Result<(), Failure> {
    let last = if order.smoke { 20 } else { 1000 };
    let server = Server::start(&order.server, BASE)?;
    let mut operator = Operator::connect(&server).await?;
    let mut fleet = Fleet::connect(&server.caller(Mode::Stateless)).await?;
    fleet.call(Until::calls(2000)).await?.all_answered()?;
    let mut first = 0.0;
    for edit in (1..=last).map(Edit::new) {
        write(&server.file("config.yaml"), &edit.config())?;
        operator.reload().await?;
        fleet.call(Until::calls(32)).await?.all_answered()?;
        if edit.number == FIRST {
            first = server.program.resident()?;
        }
    }
    Probe::connect(server.agents, Edit::new(last)).await?.sees(Edit::new(last)).await?;
    let resident = server.program.resident()?;
    report.line(&format!("\n{first:.1} MiB after {FIRST} reloads, {resident:.1} MiB after {last}"))?;
    report.at_most("memory that reloads leave behind", (resident / first - 1.0) * 100.0, MOST, " %")
}
