//! Server-sent events, as providers stream them.

/// How large one event may be.
const MOST: usize = 1 << 20;

/// Takes a stream apart, wherever its pieces were cut.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// What has not ended in a line break yet.
    rest: Vec<u8>,
    data: String,
}

/// An event without an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLarge;

impl Events {
    /// The data of every event that ends in this piece.
    pub(super) fn take(&mut self, piece: &[u8]) -> Result<Vec<String>, TooLarge> {
        let mut ended = Vec::new();
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            self.rest.extend_from_slice(part);
            if self.rest.len() + self.data.len() > MOST {
                return Err(TooLarge);
            }
            if part.ends_with(b"\n") {
                let line = std::mem::take(&mut self.rest);
                ended.extend(self.line(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n'])));
            }
        }
        Ok(ended)
    }

    /// The data of an event that the stream's end cut off from its blank line.
    pub(super) fn finish(mut self) -> Option<String> {
        let line = std::mem::take(&mut self.rest);
        self.line(String::from_utf8_lossy(&line).trim_end_matches('\r'));
        (!self.data.is_empty()).then_some(self.data)
    }

    fn line(&mut self, line: &str) -> Option<String> {
        if line.is_empty() {
            let data = std::mem::take(&mut self.data);
            return (!data.is_empty()).then_some(data);
        }
        if let Some(data) = line.strip_prefix("data:") {
            if !self.data.is_empty() {
                self.data.push('\n');
            }
            self.data.push_str(data.strip_prefix(' ').unwrap_or(data));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_the_same_wherever_their_bytes_are_cut() {
        let stream = "event: a\r\ndata: {\"x\":\"é\"}\r\n\r\n: silence\n\ndata:1\ndata: 2\n\ndata: end";
        for size in 1..stream.len() {
            let mut events = Events::default();
            let mut seen = Vec::new();
            for piece in stream.as_bytes().chunks(size) {
                seen.extend(events.take(piece).unwrap());
            }
            seen.extend(events.finish());
            assert_eq!(seen, ["{\"x\":\"é\"}", "1\n2", "end"], "pieces of {size}");
        }
    }

    #[test]
    fn an_event_without_end_is_given_up() {
        let mut events = Events::default();
        let piece = [b'x'; 1 << 16];
        let given_up = (0..100).find_map(|_| events.take(&piece).err());
        assert_eq!(given_up, Some(TooLarge));
    }
}
