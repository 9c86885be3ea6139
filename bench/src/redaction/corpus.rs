//! What `bench/corpus/generate.py` wrote.

use std::{fs, ops::Range, path::Path};

use serde_json::Value;

use crate::Failure;

/// Texts with what is to be found in them.
pub(super) struct Corpus {
    pub(super) samples: Vec<Sample>,
}

pub(super) struct Sample {
    pub(super) text: String,
    /// Bytes, and what they are.
    pub(super) labels: Vec<(Range<usize>, String)>,
    /// Where it is from.
    pub(super) of: String,
}

impl Corpus {
    pub(super) fn read(folder: &Path) -> Result<Self, Failure> {
        let text = read(folder, "corpus.jsonl")?;
        let samples =
            text.lines().map(|line| sample(line).ok_or_else(|| format!("this is no sample: {line}")));
        Ok(Self { samples: samples.collect::<Result<_, _>>()? })
    }

    pub(super) fn bytes(&self) -> usize {
        self.samples.iter().map(|sample| sample.text.len()).sum()
    }

    pub(super) fn bytes_of(&self, of: &str) -> usize {
        self.samples.iter().filter(|sample| sample.of == of).map(|sample| sample.text.len()).sum()
    }
}

/// The secrets that the server is to know.
pub(super) fn known(folder: &Path) -> Result<Vec<String>, Failure> {
    serde_json::from_str(&read(folder, "known.json")?).map_err(|error| format!("known.json: {error}"))
}

fn read(folder: &Path, name: &str) -> Result<String, Failure> {
    let path = folder.join(name);
    fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

fn sample(line: &str) -> Option<Sample> {
    let value: Value = serde_json::from_str(line).ok()?;
    let labels = value.get("labels")?.as_array()?.iter().map(|label| {
        let byte = |at: usize| label.get(at)?.as_u64().and_then(|byte| usize::try_from(byte).ok());
        Some((byte(0)?..byte(1)?, label.get(2)?.as_str()?.to_owned()))
    });
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
    Some(Sample { text: text("text")?, of: text("of")?, labels: labels.collect::<Option<_>>()? })
}
