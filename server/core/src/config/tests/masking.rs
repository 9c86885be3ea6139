//! No problem shows a secret: not in its words, not in its snippet, however the
//! configuration is broken.

use super::{include::said_of_included, report, said};

/// Written into configurations where it should not be.
const SECRETS: [&str; 4] = [
    "Zx9QwErTy7uIoP4lKjHg2fDsA8mNbVcXz1",
    "correcthorsebatterystaple",
    "p4ss,w0rd]x{y}!z&k*m%n",
    "a0b1c2d3e4f5a6b7-c8d9e0f1a2b3c4d5",
];

/// Those that nothing but their place gives away, for the long runs.
const PLAIN_SECRETS: [&str; 2] = [SECRETS[1], SECRETS[2]];

/// Configurations with a secret at `§`, and mostly something else wrong too.
const TEXTS: [&str; 14] = [
    "agents: { laptop: { tenant: none, token: \"§\", tolos: [] } }\n",
    "agents: { laptop: { tenant: none, token: '§', tolos: [] } }\n",
    "agents: { laptop: { tenant: none, token: §, tolos: [] } }\n",
    "agents:\n  laptop:\n    tenant: none\n    token: § # or §\n    tolos: []\n",
    "agents:\n  laptop:\n    tokens:\n      - \"§\"\n      - §\n    tolos: []\n",
    "agents:\n  laptop: { tokens: [\"§\", \"${X}\", { \"§\": \"§\" }], token: [\"§\"] }\n",
    "agents:\n  laptop:\n    token: |\n      §\n      §\n    tolos: []\n",
    "agents:\n  laptop:\n    token: \"§\n      §\n      §\"\n    tolos: []\n",
    "agents:\n  laptop: { tokn: \"§\", tokens: { \"§\": 1 } }\n",
    "agents:\n  laptop: &l { token: &t \"§\", tolos: *t }\n  other: { <<: *l, tools: [], token: \"§\" }\n",
    "llm: { providers: { openai: { api_key: \"§\" } } }\nadmin:\n  token: §\n  - x\n",
    "plugins: { entries: { db: { config: { dsn: \"postgres://me:§@db/x\", list: [\"§\"] }, isolation: none } } }\n",
    "server: { public_url: \"https://me:§@mcp.example.lan/mcp\", allowed_origins: [\"https://me:§@y\"] }\n",
    "agents: { laptop: { tenant: none, token:§, x: 1 } }\n",
];

/// Fails if what is said about a text shows a part of a secret that would help
/// to guess it.
fn check(text: &str, secret: &str) {
    check_said(text, secret, said(text));
}

fn check_said(text: &str, secret: &str, problems: Vec<super::Problem>) {
    let shown = report(&problems) + &serde_json::to_string(&problems).unwrap();
    let parts: Vec<char> = secret.chars().collect();
    for part in parts.windows(6).map(|part| part.iter().collect::<String>()) {
        assert!(!shown.contains(&part), "{part} of {secret} is shown for\n{text}\n{}", report(&problems));
    }
}

#[test]
fn no_secret_is_shown_wherever_it_stands() {
    for secret in SECRETS {
        for text in TEXTS {
            let text = text.replace('§', secret);
            check(&text, secret);
            check_said(&text, secret, said_of_included(&text));
        }
    }
}

#[test]
fn no_secret_is_shown_of_a_text_that_was_cut() {
    for secret in PLAIN_SECRETS {
        for text in TEXTS {
            let text = text.replace('§', secret);
            for (end, _) in text.char_indices() {
                check(&text[..end], secret);
                check_said(&text[..end], secret, said_of_included(&text[..end]));
            }
        }
    }
}

#[test]
fn no_secret_is_shown_of_a_text_that_lacks_a_character() {
    for secret in PLAIN_SECRETS {
        for text in TEXTS {
            let text = text.replace('§', secret);
            for (at, character) in text.char_indices() {
                check(&format!("{}{}", &text[..at], &text[at + character.len_utf8()..]), secret);
            }
        }
    }
}

#[test]
fn no_secret_is_shown_of_a_text_with_a_character_too_many() {
    const CHARACTERS: [&str; 16] =
        [":", ",", "\"", "{", ": ", "]", " #", "\n", "'", "}", "[", "\t", "- ", "*", "&", "!"];
    for (turn, secret) in PLAIN_SECRETS.into_iter().enumerate() {
        for text in TEXTS {
            let text = text.replace('§', secret);
            for (at, _) in text.char_indices() {
                // All of them everywhere take a minute; each place sees some.
                let character = CHARACTERS[(at + turn * 5) % CHARACTERS.len()];
                check(&format!("{}{character}{}", &text[..at], &text[at..]), secret);
            }
        }
    }
}
