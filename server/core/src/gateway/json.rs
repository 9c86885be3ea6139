//! Values as JSON, each written as seldom as can be.

use plugin_contract::ToolName;
use serde::Serialize;

/// [`plugin_contract::op::CallTool`], without writing the arguments a second time.
pub(super) fn call_tool(name: &ToolName, arguments: &[u8]) -> Vec<u8> {
    let mut input = br#"{"name":"#.to_vec();
    input.extend(encoded(name));
    input.extend_from_slice(br#","arguments":"#);
    input.extend_from_slice(arguments);
    input.push(b'}');
    input
}

/// A value as JSON. Of what comes here, all has that form.
pub(super) fn encoded(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// How long a value is as JSON, without writing it anywhere.
pub(super) fn encoded_length(value: &impl Serialize) -> u64 {
    struct Count(u64);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len() as u64;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    match serde_json::to_writer(&mut count, value) {
        Ok(()) => count.0,
        Err(_) => u64::MAX,
    }
}
