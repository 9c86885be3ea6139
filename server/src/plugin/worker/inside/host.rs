//! The host's services, for the plugin in a worker: each is asked of the server.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use plugin_abi::{
    Host, HostObject,
    abi_stable::{
        sabi_trait::TD_Opaque,
        std_types::{RArc, RResult, RSlice, RStr, RVec},
    },
};

use super::{line::Line, too_large};
use crate::plugin::worker::frame::{Kind, Request};

#[derive(Clone)]
pub(super) struct LineHost(Arc<Line>);

impl LineHost {
    /// The object that the plugin gets.
    pub(super) fn object(line: Arc<Line>) -> HostObject {
        HostObject::from_ptr(RArc::new(Self(line)), TD_Opaque)
    }
}

impl Host for LineHost {
    fn invoke(
        &self,
        op: RStr<'_>,
        call: RSlice<'_, u8>,
        input: RSlice<'_, u8>,
    ) -> RResult<RVec<u8>, RVec<u8>> {
        let request = Request { op: op.as_str(), token: call.as_slice(), input: input.as_slice() };
        // A panic must not cross the ABI.
        match catch_unwind(AssertUnwindSafe(|| self.0.ask(request))) {
            Ok(Some(reply)) if reply.kind == Kind::Reply => RResult::ROk(reply.body.into()),
            Ok(Some(refusal)) => RResult::RErr(refusal.body.into()),
            Ok(None) | Err(_) => RResult::RErr(too_large("question").into()),
        }
    }
}
