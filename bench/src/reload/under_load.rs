//! Clients call without pause; now and then the configuration changes twenty
//! times a second.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::time::{MissedTickBehavior, interval, sleep};

use super::{
    operator::Operator,
    probe::{Edit, Probe},
};
use crate::{
    Failure, Order,
    caller::Mode,
    load::{Fleet, Tally, Until},
    numbers::{ms, percentile},
    report::Report,
    server::{Server, write},
};

const RELOADS_A_SECOND: u32 = 20;

/// How often calls without reloads and with them take turns.
const TURNS: u32 = 6;

/// How much slower the slow calls may be while the configuration changes.
const MOST: f64 = 1.5;

pub(super) async fn run(
    server: &Server,
    operator: &mut Operator,
    order: &Order,
    report: &mut Report,
) -> Result<(), Failure> {
    let edits = (order.seconds * RELOADS_A_SECOND).div_ceil(TURNS);
    let phase = Duration::from_secs(order.seconds.into()) / TURNS;
    let mut fleet = Fleet::connect(&server.caller(Mode::Stateless)).await?;
    fleet.call(Until::calls(1000)).await?.all_answered()?;
    let mut edit = Edit::new(0);
    write(&server.file("config.yaml"), &edit.config())?;
    operator.reload().await?;
    let mut probe = Probe::connect(server.agents, edit).await?;
    probe.sees(edit).await?;

    let (mut quiet, mut changing, mut changed_for) = (Tally::default(), Tally::default(), Duration::ZERO);
    for _ in 0..TURNS {
        let pause = async {
            sleep(phase).await;
            Ok(())
        };
        quiet.add(while_(&mut fleet, pause).await?);
        let begun = Instant::now();
        let reloads = async {
            let mut ticks = interval(Duration::from_secs(1) / RELOADS_A_SECOND);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            for _ in 0..edits {
                ticks.tick().await;
                edit = Edit::new(edit.number + 1);
                write(&server.file("config.yaml"), &edit.config())?;
                operator.reload().await?;
                probe.sees(edit).await?;
            }
            Ok(())
        };
        changing.add(while_(&mut fleet, reloads).await?);
        changed_for += begun.elapsed();
    }

    let p99 = |tally: &Tally| ms(percentile(&tally.took, 0.99));
    let (before, after) = (p99(&quiet), p99(&changing));
    report.line(&format!(
        "{} calls without reloads, p50 {:.2} ms, p99 {before:.2} ms; {} with {}, p50 {:.2} ms, p99 {after:.2} ms",
        quiet.took.len(),
        ms(percentile(&quiet.took, 0.5)),
        changing.took.len(),
        edit.number,
        ms(percentile(&changing.took, 0.5)),
    ))?;
    for failure in quiet.told().iter().chain(changing.told()) {
        report.line(&format!("  {failure}"))?;
    }
    let rate = f64::from(edit.number) / changed_for.as_secs_f64();
    report.at_least("reloads a second, each seen by the next answer", rate, 19.0, "")?;
    report.at_most("calls that failed", (quiet.failed + changing.failed) as f64, 0.0, "")?;
    report.at_most("p99 of calls, with reloads / without", after / before, MOST, "")
}

/// What came of the calls while something was done.
async fn while_(
    fleet: &mut Fleet,
    work: impl Future<Output = Result<(), Failure>>,
) -> Result<Tally, Failure> {
    let over = Arc::new(AtomicBool::new(false));
    let work = async {
        let done = work.await;
        over.store(true, Ordering::Relaxed);
        done
    };
    let (tally, done) = tokio::join!(fleet.call(Until::Flag(over.clone())), work);
    done?;
    tally
}
