//! What reloads cost those who call meanwhile, how long they take, and whether
//! they leave anything behind.

use crate::{
    Failure, Order,
    report::Report,
    server::{BASE, Server},
};
use operator::Operator;

mod large;
mod memory;
pub(crate) mod operator;
mod probe;
mod saved;
mod under_load;

pub(crate) async fn run(order: &Order) -> Result<(), Failure> {
    let mut report = Report::new(!order.smoke);
    let server = Server::start(&order.server, BASE)?;
    let mut operator = Operator::connect(&server).await?;
    under_load::run(&server, &mut operator, order, &mut report).await?;
    saved::run(&server, &mut operator, order, &mut report).await?;
    drop(server);
    memory::run(order, &mut report).await?;
    large::run(order, &mut report).await?;
    report.end()
}
