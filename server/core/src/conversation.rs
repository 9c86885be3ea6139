//! The other end of a call, while it runs.

use std::{fmt, time::Instant};

use plugin_contract::op::{Answers, Ask, ClientAbout, ClientLog, ErrorCode, Offered, OpError, Progress};

/// What a plugin's code may tell the client of a call, ask of it, and have told
/// to others. Whoever implements it bounds how much of it goes out.
pub trait Conversation: fmt::Debug + Send + Sync {
    /// What the client said that it can.
    fn client(&self) -> ClientAbout;

    /// Tells how far the call is.
    fn progress(&self, progress: Progress);

    /// Writes to the client's log.
    fn log(&self, message: ClientLog);

    /// Asks, on a thread that may be blocked until `deadline`.
    /// [`ErrorCode::InputRequired`] is for the plugin to pass on: the client will
    /// come again with its answers.
    fn ask(&self, ask: Ask, deadline: Instant) -> Result<Answers, OpError>;

    /// Lets the call go on after its request is answered, if the client can come
    /// back for the result, and says whether it does.
    fn detach(&self, required: bool) -> Result<bool, OpError>;

    /// Tells those who subscribed that a resource has changed.
    fn resource_updated(&self, uri: &str);

    /// Tells those who may see it that a list has changed.
    fn offer_changed(&self, thing: &Offered);
}

/// Nobody is there to hear or answer anything.
#[derive(Clone, Copy, Debug)]
pub struct Nobody;

impl Conversation for Nobody {
    fn client(&self) -> ClientAbout {
        ClientAbout::default()
    }

    fn progress(&self, _: Progress) {}

    fn log(&self, _: ClientLog) {}

    fn ask(&self, _: Ask, _: Instant) -> Result<Answers, OpError> {
        Err(OpError::new(ErrorCode::ClientCannot, "nothing can be asked while this is answered"))
    }

    fn detach(&self, required: bool) -> Result<bool, OpError> {
        if required {
            return Err(OpError::new(ErrorCode::ClientCannot, "nobody could come back for the result"));
        }
        Ok(false)
    }

    fn resource_updated(&self, _: &str) {}

    fn offer_changed(&self, _: &Offered) {}
}
