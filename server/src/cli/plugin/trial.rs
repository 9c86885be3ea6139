//! `plugin trial`, which only the server itself runs.

use crate::{cli::Failure, plugin::trial};

pub(super) fn run() -> Result<(), Failure> {
    trial::take_part().map_err(|error| Failure::Usage(error.to_string()))
}
