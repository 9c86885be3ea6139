//! `plugin verify`.

use std::{io::Write, path::PathBuf};

use clap::Args;
use serde_json::json;
use server_core::{config, id::KeyName, registry::Refusal};

use crate::{
    cli::{Failure, config_path},
    config_files::ConfigFiles,
    plugin::{
        Installation,
        verify::{self, Verification},
    },
};

/// What to verify, and for whom.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mcp-universal-server plugin verify plugins.d/acme-jira --config config.yaml\n  mcp-universal-server plugin verify dist/acme-jira --public-key acme.pub"
)]
pub struct Arguments {
    /// The folder with plugin.json
    folder: PathBuf,
    /// Trust this key, with everything, and no other
    #[arg(long, value_name = "FILE")]
    public_key: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(
    arguments: &Arguments,
    config: Option<PathBuf>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let verified = verification(arguments, config)?;
    let accepted = verified.as_ref().is_ok_and(|it| it.refusals.is_empty());
    if arguments.json {
        let json = match &verified {
            Ok(it) => json!({
                "accepted": accepted,
                "name": it.manifest.name,
                "version": it.manifest.version,
                "release": it.manifest.release,
                "provenance": it.provenance,
                "comment": it.comment,
                "refusals": it.refusals,
                "notes": it.notes,
            }),
            Err(refusal) => json!({ "accepted": false, "refusals": [refusal] }),
        };
        writeln!(out, "{json:#}").map_err(Failure::failed)?;
        return if accepted { Ok(()) } else { Err(Failure::Failed(String::new())) };
    }
    let Verification { manifest, provenance, comment, refusals, notes } =
        verified.map_err(Failure::failed)?;
    if let Some(provenance) = provenance {
        writeln!(
            out,
            "{} {}, release {}: its library is the one that was signed\n  with key `{}`, {}: {comment}",
            manifest.name, manifest.version, manifest.release, provenance.signer, provenance.key_id
        )
        .map_err(Failure::failed)?;
    }
    notes.iter().try_for_each(|note| writeln!(out, "note: {note}")).map_err(Failure::failed)?;
    if accepted {
        return Ok(());
    }
    let refusals: Vec<_> = refusals.iter().map(ToString::to_string).collect();
    Err(Failure::Failed(refusals.join("\n")))
}

fn verification(
    arguments: &Arguments,
    config: Option<PathBuf>,
) -> Result<Result<Verification, Refusal>, Failure> {
    if let Some(key) = &arguments.public_key {
        let name = key.file_stem().unwrap_or_default().to_string_lossy();
        let name: KeyName = name.parse().map_err(Failure::failed)?;
        return Ok(verify::by_key(&arguments.folder, key, name));
    }
    let files = ConfigFiles::new(config_path(config));
    let (source, environment) = files.read().map_err(|error| Failure::Configuration(error.to_string()))?;
    let settings = config::compile(&source, &environment)
        .map_err(|problems| {
            let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
            Failure::Configuration(problems.join("\n\n"))
        })?
        .settings;
    let installation = Installation::of_this_process();
    Ok(verify::as_server(&arguments.folder, &settings.plugins, &settings.state_dir, &installation))
}
