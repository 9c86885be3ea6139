//! Where the password of a secret key comes from: a file, the environment, a person
//! at a terminal, or standard input.

use std::{
    env, fs,
    io::{self, IsTerminal},
    path::PathBuf,
};

use clap::Args;

use crate::cli::Failure;

/// For machines that sign on their own.
const VARIABLE: &str = "MCP_SIGNING_PASSWORD";

/// Where to find a password.
#[derive(Debug, Args)]
pub(super) struct Password {
    /// Read the key's password from the first line of this file; MCP_SIGNING_PASSWORD
    /// in the environment holds it otherwise, and a terminal is asked for it last
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

impl Password {
    /// The password of a key that there is.
    pub(super) fn known(&self) -> io::Result<String> {
        if let Some(given) = self.given()? {
            return Ok(given);
        }
        if io::stdin().is_terminal() {
            return rpassword::prompt_password("The key's password: ");
        }
        let mut text = String::new();
        io::stdin().read_line(&mut text)?;
        Ok(first_line(&text))
    }

    /// The password of a key to be made.
    pub(super) fn chosen(&self) -> Result<String, Failure> {
        let password = match self.given().map_err(Failure::failed)? {
            Some(given) => given,
            None => asked_twice()?,
        };
        if password.is_empty() {
            return Err(Failure::Usage(
                "an empty password protects nothing: give --no-password if you want none".to_owned(),
            ));
        }
        Ok(password)
    }

    fn given(&self) -> io::Result<Option<String>> {
        if let Some(file) = &self.password_file {
            let text = fs::read_to_string(file)
                .map_err(|error| io::Error::other(format!("{}: {error}", file.display())))?;
            return Ok(Some(first_line(&text)));
        }
        match env::var(VARIABLE) {
            Ok(password) => Ok(Some(password)),
            Err(env::VarError::NotPresent) => Ok(None),
            Err(env::VarError::NotUnicode(_)) => {
                Err(io::Error::other(format!("what {VARIABLE} holds is no text")))
            }
        }
    }
}

fn asked_twice() -> Result<String, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::Usage(
            "there is no terminal to read a password from: run it in one, or give --no-password".to_owned(),
        ));
    }
    let ask = |prompt| rpassword::prompt_password(prompt).map_err(Failure::failed);
    let password = ask("A password for the secret key: ")?;
    if !password.is_empty() && ask("The same again: ")? != password {
        return Err(Failure::Failed("these were two passwords: nothing was written".to_owned()));
    }
    Ok(password)
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
