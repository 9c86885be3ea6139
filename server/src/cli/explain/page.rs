//! An explanation, as a person reads it.

use std::io::{self, Write};

use plugin_contract::op::FiltersAbout;
use server_core::{
    config::Spot,
    explain::{Against, Explanation, Limit, Right},
};

use crate::cli::{explain::judged, table};

pub(super) fn write(explanation: &Explanation, out: &mut dyn Write) -> io::Result<()> {
    let Explanation { agent, tenant, tool, plugin, allowed, listed, disclosed, .. } = explanation;
    let may = if *allowed { "may" } else { "may not" };
    let of = match explanation.generation {
        Some(generation) => format!("generation {generation} of the running server"),
        None => "the configuration file, plugins taken at their word".to_owned(),
    };
    writeln!(out, "agent {agent} of tenant {tenant} {may} call {tool} of plugin {plugin}")?;
    writeln!(out, "  by {of}")?;
    match (listed, disclosed) {
        (true, _) => writeln!(out, "  its list of tools has it")?,
        (false, true) => writeln!(out, "  its list of tools does not have it; called, it hears the reasons")?,
        (false, false) => {
            writeln!(
                out,
                "  its list of tools does not have it; called, it hears that there is no such tool"
            )?;
        }
    }
    writeln!(out, "  arguments {}", judged(explanation.arguments))?;
    if explanation.filters != FiltersAbout::default() {
        let FiltersAbout { results, prompts } = &explanation.filters;
        writeln!(out, "  secrets and personal data in results: {results}, in prompts to models: {prompts}")?;
    }
    for against in &explanation.reasons {
        write_reason(against, out)?;
    }
    let rights = explanation.rights.iter().map(right);
    writeln!(out)?;
    table::write(["RIGHT", "OF", "", "BY", "AT"], rights, out)?;
    let limits = explanation.limits.iter().map(limit);
    writeln!(out)?;
    table::write(["LIMIT", "VALUE", "AT"], limits, out)
}

fn write_reason(against: &Against, out: &mut dyn Write) -> io::Result<()> {
    let Against { code, message, help, place, .. } = against;
    writeln!(out, "\nrefused: {message} ({code})")?;
    if let Some(place) = place {
        writeln!(out, " --> {}", at(Some(place)))?;
    }
    writeln!(out, "  help: {help}")
}

fn right(right: &Right) -> [String; 5] {
    let Right { of, what, granted, by, place } = right;
    let verdict = if *granted { "granted" } else { "missing" };
    let verdict = if by.is_some() && !granted { "denied" } else { verdict };
    let by = by.clone().unwrap_or_else(|| "nothing".to_owned());
    [what.clone(), of.clone(), verdict.to_owned(), by, at(place.as_ref())]
}

fn limit(limit: &Limit) -> [String; 3] {
    let value = limit.value.as_str().map_or_else(|| limit.value.to_string(), str::to_owned);
    let place = limit.place.as_ref().map_or_else(|| "the default".to_owned(), |place| at(Some(place)));
    let of = limit.tools.as_ref().map(|tools| format!(" of {tools}")).unwrap_or_default();
    [format!("{}{of}", limit.name), value, place]
}

fn at(place: Option<&Spot>) -> String {
    place.map(|place| format!("{place} ({})", place.config_path)).unwrap_or_default()
}
