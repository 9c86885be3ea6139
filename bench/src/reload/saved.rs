//! Nobody asks for a reload: the file is saved, and an agent's list shows when it
//! counts.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::{
    operator::Operator,
    probe::{Edit, Probe},
};
use crate::{
    Failure, Order,
    numbers::{ms, percentile},
    report::Report,
    server::{Server, write},
};

/// How often the list is asked for. More often, and the server's bound on such
/// requests would be reached.
const EVERY: Duration = Duration::from_millis(20);

/// Edits of before had lower numbers.
const FIRST: u32 = 1_000_000;

pub(super) async fn run(
    server: &Server,
    operator: &mut Operator,
    order: &Order,
    report: &mut Report,
) -> Result<(), Failure> {
    let edits = if order.smoke { 2 } else { 50 };
    let mut took = Vec::new();
    let mut edit = Edit::new(FIRST);
    write(&server.file("config.yaml"), &edit.config())?;
    operator.reload().await?;
    let mut probe = Probe::connect(server.agents, edit).await?;
    probe.sees(edit).await?;
    for _ in 0..edits {
        edit = edit.of_tools();
        write(&server.file("config.yaml"), &edit.config())?;
        let begun = Instant::now();
        while probe.tools().await? != [edit.granted()] {
            sleep(EVERY).await;
        }
        took.push(begun.elapsed());
        probe.sees(edit).await?;
    }
    let (p50, p99) = (ms(percentile(&took, 0.5)), ms(percentile(&took, 0.99)));
    report.line(&format!("\n{edits} edits without an order, in force after {p50:.0} ms (p50)"))?;
    report.at_most("from saving to in force, p99", p99, 1000.0, " ms")
}
