//! What it costs that a plugin runs in processes of its own: the same tool of the
//! same plugin, there and in the server's process.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use crate::{
    Failure, Order,
    caller::{Caller, Mode},
    load::{Fleet, Tally, Until},
    numbers::{median, percentile},
    program,
    reload::operator::Operator,
    report::Report,
    server::{BASE, Server, write},
};

/// Clients at once, where there are many.
const MANY: usize = 32;

/// How often the workers are replaced under load.
const REPLACEMENTS: u32 = 300;

/// What a configuration says of `core`.
fn config(entry: &str) -> String {
    format!("{BASE}plugins: {{ entries: {{ core: {{ {entry} }} }} }}\n")
}

/// `core` in workers. Another number of seconds makes it another configuration.
fn in_workers(seconds: u32) -> String {
    config(&format!("isolation: process, worker: {{ cpu_seconds: {seconds} }}"))
}

/// A server, and what was measured on it.
struct Side {
    server: Server,
    one: Caller,
    many: Fleet,
    took: Vec<Duration>,
    /// Microseconds of processor time a call, round by round.
    cpu: Vec<f64>,
}

impl Side {
    async fn start(order: &Order, config: &str) -> Result<Self, Failure> {
        let server = Server::start(&order.server, config)?;
        let agent = server.caller(Mode::Stateless);
        let (one, many) = (Caller::open(&agent, MANY).await?, Fleet::of(&agent, MANY).await?);
        Ok(Self { server, one, many, took: Vec::new(), cpu: Vec::new() })
    }

    async fn round(&mut self, calls: u32) -> Result<(), Failure> {
        for _ in 0..calls / 10 {
            self.took.push(self.one.echo().await?);
        }
        self.many.call(Until::calls(calls / 10)).await?.all_answered()?;
        let before = self.server.program.cpu_with_children()?;
        self.many.call(Until::calls(calls)).await?.all_answered()?;
        let cpu = self.server.program.cpu_with_children()?.saturating_sub(before);
        self.cpu.push(cpu.as_secs_f64() * 1e6 / f64::from(calls));
        Ok(())
    }

    fn p50(&self) -> f64 {
        percentile(&self.took, 0.5).as_secs_f64() * 1e6
    }
}

pub(crate) async fn run(order: &Order) -> Result<(), Failure> {
    let mut report = Report::new(!order.smoke);
    calls(order, &mut report).await?;
    memory(order, &mut report).await?;
    loss(order, &mut report).await?;
    replacements(order, &mut report).await?;
    report.end()
}

/// What is added to a call.
async fn calls(order: &Order, report: &mut Report) -> Result<(), Failure> {
    let (rounds, calls) = if order.smoke { (2, 200) } else { (9, 20_000) };
    let mut inside = Side::start(order, &config("isolation: in_process")).await?;
    let mut workers = Side::start(order, &in_workers(60)).await?;
    for round in 0..rounds {
        // Whoever comes right after the other may have it better or worse.
        if round % 2 == 0 {
            inside.round(calls).await?;
            workers.round(calls).await?;
        } else {
            workers.round(calls).await?;
            inside.round(calls).await?;
        }
    }
    let added: Vec<_> =
        workers.cpu.iter().zip(&inside.cpu).map(|(workers, inside)| workers - inside).collect();
    report.line(&format!(
        "an echo of 64 bytes, in process {:.0} µs (p50, one client), {:.1} µs CPU ({MANY} clients); in workers {:.0} µs, {:.1} µs CPU",
        inside.p50(),
        median(&inside.cpu),
        workers.p50(),
        median(&workers.cpu),
    ))?;
    report.at_most("added to a call, one client, p50", workers.p50() - inside.p50(), 150.0, " µs")?;
    report.at_most("CPU added to a call, 32 clients", median(&added), 25.0, " µs")
}

/// What a worker has for itself that has been called and has nothing to do: pages that
/// are of no file. Those of the program and of the library are there once for all
/// workers, although the kernel calls them private where only one has them mapped.
async fn memory(order: &Order, report: &mut Report) -> Result<(), Failure> {
    let mut side = Side::start(order, &in_workers(60)).await?;
    side.round(200).await?;
    let children = side.server.program.children()?;
    let mut kibibytes = 0.0;
    for worker in &children {
        let rollup = program::read(*worker, "smaps_rollup")?;
        let private = rollup.lines().filter(|line| line.starts_with("Anonymous:"));
        let sizes = private.filter_map(|line| line.split_ascii_whitespace().nth(1)?.parse::<f64>().ok());
        kibibytes += sizes.sum::<f64>();
    }
    let each = kibibytes / 1024.0 / children.len().max(1) as f64;
    report.line(&format!("\n{} workers", children.len()))?;
    report.at_most("private memory of an idle worker", each, 2.0, " MiB")
}

/// How long it takes from a worker's end to the next answer.
async fn loss(order: &Order, report: &mut Report) -> Result<(), Failure> {
    let mut took = Vec::new();
    // The first one that is lost is replaced without a pause.
    for _ in 0..if order.smoke { 2 } else { 15 } {
        let mut side = Side::start(order, &in_workers(60)).await?;
        side.one.echo().await?;
        let [worker] = side.server.program.children()?[..] else { return Err("not one worker".to_owned()) };
        let begun = Instant::now();
        let killed = Command::new("kill").args(["-9", &worker.to_string()]).status();
        if !killed.is_ok_and(|status| status.success()) {
            return Err("the worker cannot be killed".to_owned());
        }
        // The one that was under way may be lost with it.
        while side.server.program.children()?.contains(&worker) || side.one.echo().await.is_err() {}
        took.push(begun.elapsed());
    }
    let p50 = percentile(&took, 0.5).as_secs_f64() * 1e3;
    report.at_most("from a worker's end to the next answer, p50", p50, 30.0, " ms")
}

/// What calls feel of it that all workers are replaced again and again.
async fn replacements(order: &Order, report: &mut Report) -> Result<(), Failure> {
    let times = if order.smoke { 3 } else { REPLACEMENTS };
    let mut side = Side::start(order, &in_workers(60)).await?;
    let mut operator = Operator::connect(&side.server).await?;
    side.many.call(Until::calls(1000)).await?.all_answered()?;
    let over = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let Side { server, many, .. } = &mut side;
    let work = async {
        let mut done = Ok(());
        for number in 0..times {
            let edit = write(&server.file("config.yaml"), &in_workers(61 + number % 2));
            done = match edit {
                Ok(()) => operator.reload().await,
                Err(failure) => Err(failure),
            };
            if done.is_err() {
                break;
            }
        }
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        done
    };
    let begun = Instant::now();
    let (tally, done) = tokio::join!(many.call(Until::Flag(over.clone())), work);
    let took = begun.elapsed();
    done?;
    let tally: Tally = tally?;
    report.line(&format!(
        "\n{} calls, while all workers were replaced {times} times in {:.1} s; the slowest took {:.1} ms",
        tally.took.len(),
        took.as_secs_f64(),
        percentile(&tally.took, 1.0).as_secs_f64() * 1e3,
    ))?;
    for failure in tally.told() {
        report.line(&format!("  {failure}"))?;
    }
    report.at_most("calls that failed", tally.failed as f64, 0.0, "")
}
