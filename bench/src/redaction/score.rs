//! What was found and what was not.

use std::{collections::BTreeMap, fmt::Write, ops::Range};

use server_core::redact::Redactor;

use super::corpus::{Corpus, Sample};

#[derive(Default)]
pub(super) struct Score {
    pub(super) entities: BTreeMap<String, Found>,
    /// Findings that are one, and all of them.
    right: usize,
    pub(super) misses: Vec<String>,
    /// Where each was, and what.
    pub(super) false_alarms: Vec<(String, String)>,
}

#[derive(Clone, Copy, Default)]
pub(super) struct Found {
    pub(super) found: usize,
    pub(super) all: usize,
}

impl Found {
    pub(super) fn share(&self) -> f64 {
        ratio(self.found, self.all)
    }
}

impl Score {
    pub(super) fn of(redactor: &Redactor, corpus: &Corpus) -> Self {
        let mut score = Self::default();
        for sample in &corpus.samples {
            score.add(redactor, sample);
        }
        score
    }

    fn add(&mut self, redactor: &Redactor, sample: &Sample) {
        let findings = redactor.findings(&sample.text);
        for (label, entity) in &sample.labels {
            let covered = findings.iter().map(|finding| overlap(&finding.range, label)).sum::<usize>();
            let is_found = covered >= label.len();
            let entry = self.entities.entry(entity.clone()).or_default();
            entry.all += 1;
            entry.found += usize::from(is_found);
            if !is_found {
                self.misses.push(format!("{entity}, {}: {:?}", sample.of, sample.text));
            }
        }
        for finding in findings {
            if sample.labels.iter().any(|(label, _)| overlap(&finding.range, label) > 0) {
                self.right += 1;
            } else {
                let start = sample.text.floor_char_boundary(finding.range.start.saturating_sub(40));
                let end = sample.text.ceil_char_boundary((finding.range.end + 20).min(sample.text.len()));
                let (found, around) = (sample.text.get(finding.range), sample.text.get(start..end));
                let told = format!(
                    "{}: {:?} in {:?}",
                    finding.rule,
                    found.unwrap_or_default(),
                    around.unwrap_or_default()
                );
                self.false_alarms.push((sample.of.clone(), told));
            }
        }
    }

    /// Of these entities, how many were found.
    pub(super) fn share(&self, of: &dyn Fn(&str) -> bool) -> f64 {
        let entities = || self.entities.iter().filter(|(entity, _)| of(entity)).map(|(_, found)| found);
        ratio(entities().map(|found| found.found).sum(), entities().map(|found| found.all).sum())
    }

    pub(super) fn precision(&self) -> f64 {
        ratio(self.right, self.right + self.false_alarms.len())
    }

    pub(super) fn false_alarms_in(&self, of: &str) -> f64 {
        number(self.false_alarms.iter().filter(|(other, _)| other == of).count())
    }

    /// All that went wrong, for whoever improves the rules.
    pub(super) fn told(&self) -> String {
        let mut text = String::new();
        for miss in &self.misses {
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "missed {miss}");
        }
        for (of, told) in &self.false_alarms {
            let _ = writeln!(text, "false alarm, {of}, {told}");
        }
        text
    }
}

fn overlap(one: &Range<usize>, other: &Range<usize>) -> usize {
    one.end.min(other.end).saturating_sub(one.start.max(other.start))
}

fn ratio(part: usize, all: usize) -> f64 {
    if all == 0 { 0.0 } else { number(part) / number(all) }
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
