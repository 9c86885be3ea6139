//! How well secrets and personal data are found, and what looking for them costs.
//!
//! Two corpora that differ in nothing but their seed: the rules were written with
//! the misses of the first in view, and count by those of the second.

use std::{fmt::Write as _, fs, path::Path, sync::Arc, time::Instant};

use server_core::{
    redact::{Known, Redactor, Rules},
    secret::Secret,
};

use crate::{Failure, report::Report};

mod corpus;
mod score;

use corpus::Corpus;
use score::Score;

/// Agents of a large installation, each with a token.
const AGENTS: usize = 10_000;

/// Entities whose rules go by more than a prefix.
const PERSONAL: [&str; 10] = [
    "card",
    "email",
    "iban",
    "nip",
    "pesel",
    "phone",
    "phone_international",
    "polish_id_card",
    "regon",
    "us_ssn",
];

/// What the server knows.
const KNOWN: &str = "known_secret";

/// Runs on two folders with a corpus each; misses of the second go to a file.
pub(crate) fn run(tuned: &Path, scored: &Path, smoke: bool) -> Result<(), Failure> {
    let mut report = Report::new(true);
    let first = Score::of(&redactor(tuned)?, &Corpus::read(tuned)?);
    let corpus = Corpus::read(scored)?;
    let redactor = redactor(scored)?;
    let score = Score::of(&redactor, &corpus);
    report
        .line("redaction: found of what is labelled, on the seed tuned with and on the one that counts\n")?;
    for (entity, found) in &score.entities {
        let tuned = first.entities.get(entity).map(|found| found.share()).unwrap_or_default();
        report.line(&format!(
            "  {entity:<24} {:>5} of {:<5} {:>7.2} %   (tuned {:.2} %)",
            found.found,
            found.all,
            found.share() * 100.0,
            tuned * 100.0
        ))?;
    }
    let misses = scored.with_file_name("redaction-misses.txt");
    fs::write(&misses, score.told())
        .map_err(|error| format!("cannot write {}: {error}", misses.display()))?;
    report.line(&format!(
        "\n{} misses and {} false alarms in {:.1} MB, all of them in {}\n",
        score.misses.len(),
        score.false_alarms.len(),
        megabytes(corpus.bytes()),
        misses.display()
    ))?;
    let share = |of: &dyn Fn(&str) -> bool| score.share(of) * 100.0;
    report.at_least("recall, values the server knows", share(&|it| it == KNOWN), 100.0, " %")?;
    report.at_least(
        "recall, formats with a prefix",
        share(&|it| it != KNOWN && !PERSONAL.contains(&it)),
        95.0,
        " %",
    )?;
    report.at_least("recall, personal data", share(&|it| PERSONAL.contains(&it)), 90.0, " %")?;
    report.at_least("precision", score.precision() * 100.0, 95.0, " %")?;
    report.line(&format!(
        "{:<52} {:>10.2}",
        "false alarms per MB of sources",
        score.false_alarms_in("sources") / megabytes(corpus.bytes_of("sources")).max(f64::MIN_POSITIVE)
    ))?;
    if !smoke {
        speed(&redactor, &corpus, &mut report)?;
    }
    report.end()
}

fn redactor(folder: &Path) -> Result<Redactor, Failure> {
    let secrets: Vec<Secret> = corpus::known(folder)?.into_iter().map(Secret::new).collect();
    Ok(Redactor::new(Arc::<Rules>::default(), Arc::new(Known::new(&secrets))))
}

/// Of free text, of a line of the log, and of what a reload must make.
fn speed(redactor: &Redactor, corpus: &Corpus, report: &mut Report) -> Result<(), Failure> {
    let begun = Instant::now();
    let redacted: usize = corpus.samples.iter().map(|sample| redactor.text(&sample.text).len()).sum();
    let took = begun.elapsed();
    report.line(&format!(
        "\n{:.1} MB of text became {:.1} MB",
        megabytes(corpus.bytes()),
        megabytes(redacted)
    ))?;
    report.at_least(
        "all free text, one core",
        megabytes(corpus.bytes()) / took.as_secs_f64(),
        20.0,
        " MB/s",
    )?;

    let tokens: Vec<Secret> = (0..AGENTS).map(token).collect();
    let begun = Instant::now();
    let known = Known::new(&tokens);
    report.at_most(
        "10,000 tokens, made ready to be looked for",
        begun.elapsed().as_secs_f64() * 1e3,
        50.0,
        " ms",
    )?;

    let redactor = Redactor::new(Arc::default(), Arc::new(known));
    let line = call_line();
    let rounds = 200_000;
    let mut buffer = Vec::new();
    let begun = Instant::now();
    for _ in 0..rounds {
        buffer.clear();
        buffer.extend_from_slice(line.as_bytes());
        redactor.line(&mut buffer);
    }
    if buffer != line.as_bytes() {
        return Err(format!("the line of a call was changed: {}", String::from_utf8_lossy(&buffer)));
    }
    report.at_most("the line of a call", begun.elapsed().as_secs_f64() * 1e6 / f64::from(rounds), 2.0, " us")
}

fn call_line() -> String {
    r#"{"timestamp":"2026-11-22T16:35:10.400000Z","level":"INFO","message":"call","agent":"laptop","tenant":"research","tool":"core.echo","decision":"allow","reasons":"","outcome":"ok","generation":7,"duration_us":52,"request_bytes":12,"response_bytes":311,"target":"call"}"#.to_owned()
}

/// As `token new` makes them, but the same every time.
fn token(agent: usize) -> Secret {
    let mut text = "mus_".to_owned();
    let mut state = u64::try_from(agent).unwrap_or_default().wrapping_add(0x9e37_79b9_7f4a_7c15);
    for _ in 0..4 {
        state = state.wrapping_mul(0xbf58_476d_1ce4_e5b9) ^ (state >> 29);
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{state:016x}");
    }
    Secret::new(text)
}

fn megabytes(bytes: usize) -> f64 {
    f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)) / 1e6
}
