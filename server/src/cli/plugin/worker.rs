//! `plugin worker`, which only the server itself runs.

use crate::{cli::Failure, plugin::worker};

pub(super) fn run() -> Result<(), Failure> {
    worker::take_part().map_err(|error| Failure::Usage(error.to_string()))
}
