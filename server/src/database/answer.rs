//! Rows, as they come in, until there are enough.

use plugin_contract::op::{QueryEnd, Rows};
use serde_json::Value;

/// An answer that grows row by row.
pub(super) struct Answer {
    rows: Rows,
    max_rows: usize,
    max_bytes: u64,
    bytes: u64,
}

impl Answer {
    pub(super) fn new(columns: Vec<String>, max_rows: usize, max_bytes: u64) -> Self {
        Self { rows: Rows { columns, ..Rows::default() }, max_rows, max_bytes, bytes: 0 }
    }

    /// Takes one more row; answers whether it wants another one.
    pub(super) fn take(&mut self, row: Vec<Value>) -> bool {
        if self.rows.rows.len() == self.max_rows {
            self.rows.stopped = Some(QueryEnd::Rows);
            return false;
        }
        let bytes = serde_json::to_vec(&row).map_or(u64::MAX, |json| json.len() as u64 + 1);
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.max_bytes {
            self.rows.stopped = Some(QueryEnd::Bytes);
            return false;
        }
        self.rows.rows.push(row);
        true
    }

    /// Whether not even one row fits.
    pub(super) fn is_too_large(&self) -> bool {
        self.rows.rows.is_empty() && self.rows.stopped == Some(QueryEnd::Bytes)
    }

    /// Whether it ended in the middle of what the database sends.
    pub(super) fn is_cut(&self) -> bool {
        self.rows.stopped == Some(QueryEnd::Bytes)
    }

    /// How many more rows it wants, and one to know whether there are more.
    pub(super) fn wanted(&self) -> usize {
        self.max_rows - self.rows.rows.len() + 1
    }

    pub(super) fn into_rows(self) -> Rows {
        self.rows
    }
}

/// Bytes as text, the way that PostgreSQL writes them.
pub(super) fn hexadecimal(bytes: &[u8]) -> Value {
    let mut text = String::with_capacity(2 + 2 * bytes.len());
    text.push_str("\\x");
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(digit.into(), 16).unwrap_or_default());
        }
    }
    text.into()
}

/// A number, or what JSON has no number for as text.
pub(super) fn real(number: f64) -> Value {
    if number.is_finite() { number.into() } else { number.to_string().into() }
}
