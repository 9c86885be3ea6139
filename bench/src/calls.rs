//! What a call costs, and how much of that is this server's own.

use std::{env, net::SocketAddr, process::Command, time::Duration};

use crate::{
    Failure, Order,
    caller::{Agent, Mode},
    load::{CLIENTS, Fleet, Until},
    numbers::{median, ms, percentile},
    program::Program,
    report::Report,
    server::{BASE, Server},
};

/// How much dearer a call may be than one to bare rmcp.
const MOST: f64 = 1.25;

/// One of those that are called in turn.
struct Runner<'a> {
    name: &'static str,
    mode: Mode,
    program: &'a Program,
    fleet: Fleet,
    /// Microseconds of processor time a call, round by round.
    cpu: Vec<f64>,
    took: Vec<Duration>,
}

impl<'a> Runner<'a> {
    async fn new(name: &'static str, program: &'a Program, agent: Agent) -> Result<Self, Failure> {
        let fleet = Fleet::connect(&agent).await?;
        Ok(Self { name, mode: agent.mode, program, fleet, cpu: Vec::new(), took: Vec::new() })
    }

    async fn round(&mut self, calls: u32) -> Result<(), Failure> {
        self.fleet.call(Until::calls(calls / 10)).await?.all_answered()?;
        let before = self.program.cpu()?;
        let took = self.fleet.call(Until::calls(calls)).await?.all_answered()?;
        let cpu = self.program.cpu()? - before;
        self.cpu.push(cpu.as_secs_f64() * 1e6 / f64::from(calls));
        self.took.extend(took);
        Ok(())
    }

    fn line(&self) -> Result<String, Failure> {
        let (name, mode) = (self.name, self.mode.as_str());
        let (p50, p99) = (ms(percentile(&self.took, 0.5)), ms(percentile(&self.took, 0.99)));
        let (cpu, resident) = (median(&self.cpu), self.program.resident()?);
        Ok(format!("{name:<10} {mode:<11} {cpu:>6.1} µs {p50:>9.2} ms {p99:>9.2} ms {resident:>8.1} MiB"))
    }

    /// How many times as dear as `floor`: of the rounds, the middle one.
    fn times(&self, floor: &Self) -> f64 {
        let rounds = self.cpu.iter().zip(&floor.cpu).map(|(own, floor)| own / floor);
        median(&rounds.collect::<Vec<_>>())
    }
}

pub(crate) async fn run(order: &Order) -> Result<(), Failure> {
    let (rounds, calls) = if order.smoke { (2, 200) } else { (9, 20_000) };
    let (axum, at_axum) = floor("raw-axum")?;
    let (rmcp, at_rmcp) = floor("bare-rmcp")?;
    let server = Server::start(&order.server, BASE)?;
    let at = |address, mode| Agent { address, token: "none".to_owned(), mode };
    let [stateless, session] = [Mode::Stateless, Mode::Session];
    let mut runners = [
        Runner::new("raw-axum", &axum, at(at_axum, stateless)).await?,
        Runner::new("bare-rmcp", &rmcp, at(at_rmcp, stateless)).await?,
        Runner::new("server", &server.program, server.caller(stateless)).await?,
        Runner::new("bare-rmcp", &rmcp, at(at_rmcp, session)).await?,
        Runner::new("server", &server.program, server.caller(session)).await?,
    ];
    for round in 0..rounds {
        // Whoever comes right after somebody else may have it better or worse.
        let order: [usize; 5] = if round % 2 == 0 { [0, 1, 2, 3, 4] } else { [4, 3, 2, 1, 0] };
        for runner in order {
            if let Some(runner) = runners.get_mut(runner) {
                runner.round(calls).await?;
            }
        }
    }
    let mut report = Report::new(!order.smoke);
    report.line(&format!("{CLIENTS} clients, an echo of 64 bytes, {rounds} rounds of {calls} calls in turn; every answer was checked\n"))?;
    report.line("                     CPU a call          p50          p99       memory")?;
    for runner in &runners {
        report.line(&runner.line()?)?;
    }
    report.line("")?;
    let [_, rmcp_stateless, stateless, rmcp_session, session] = &runners;
    for (own, floor) in [(stateless, rmcp_stateless), (session, rmcp_session)] {
        let what = format!("CPU of server / bare-rmcp, {}", own.mode.as_str());
        report.at_most(&what, own.times(floor), MOST, "")?;
    }
    report.end()
}

/// Starts one of the programs that are built beside this one.
fn floor(name: &str) -> Result<(Program, SocketAddr), Failure> {
    let this = env::current_exe().map_err(|error| error.to_string())?;
    let program = Program::start(&mut Command::new(this.with_file_name(name)))?;
    let address = program.address("listening")?;
    Ok((program, address))
}
