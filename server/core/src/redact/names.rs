//! Names that say of a value that it is secret.

/// Words that are enough.
const SECRET: [&str; 32] = [
    "accesskey",
    "apikey",
    "appsecret",
    "auth",
    "authorization",
    "authtoken",
    "bearer",
    "clientsecret",
    "connectionstring",
    "cookie",
    "cookies",
    "credential",
    "credentials",
    "haslo",
    "hasło",
    "jwt",
    "mfa",
    "otp",
    "passphrase",
    "passwd",
    "password",
    "passwords",
    "privatekey",
    "pwd",
    "refreshtoken",
    "secret",
    "secretkey",
    "secrets",
    "signature",
    "token",
    "tokens",
    "totp",
];

/// Words before `key` with which it is one that opens something.
const OF_KEYS: [&str; 14] = [
    "access",
    "account",
    "api",
    "app",
    "auth",
    "client",
    "encryption",
    "license",
    "master",
    "private",
    "secret",
    "session",
    "shared",
    "signing",
];

/// Words that say of the others that they are where a secret is to be found, or
/// what kind it is.
const HARMLESS: [&str; 14] = [
    "algorithm",
    "endpoint",
    "expires",
    "expiry",
    "length",
    "name",
    "names",
    "path",
    "policy",
    "price",
    "source",
    "ttl",
    "type",
    "url",
];

/// Words with which tokens are pieces of text to a model, or places in a list.
const OF_TOKENS: [&str; 30] = [
    "budget",
    "cached",
    "completion",
    "continuation",
    "cost",
    "count",
    "counts",
    "estimate",
    "input",
    "limit",
    "limits",
    "max",
    "min",
    "next",
    "output",
    "page",
    "per",
    "prev",
    "progress",
    "prompt",
    "reasoning",
    "remaining",
    "stop",
    "sync",
    "total",
    "usage",
    "used",
    "text",
    "special",
    "thinking",
];

/// Whether a name, of a field or a variable, says that its value is secret. Names
/// are taken word by word: `auth` says so, `author` does not.
#[must_use]
pub fn names_secret(name: &str) -> bool {
    if !may_name_secret(name.as_bytes()) {
        return false;
    }
    let words = words(name);
    let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    let opens = words.windows(2).any(
        |pair| matches!(pair, [of, key] if (key == "key" || key == "keys") && OF_KEYS.contains(&of.as_str())),
    );
    let is_secret = |word: &String| SECRET.contains(&word.as_str());
    let only_tokens =
        words.iter().filter(|word| is_secret(word)).all(|word| word == "token" || word == "tokens");
    let names_one =
        words.last().is_some_and(|last| last == "id") && !words.iter().any(|word| word == "secret");
    (has(&SECRET) || opens) && !has(&HARMLESS) && !names_one && !(only_tokens && !opens && has(&OF_TOKENS))
}

/// False: none of the words is in it. Most names are told apart by that.
fn may_name_secret(name: &[u8]) -> bool {
    let begins = |at: usize, part: &[u8]| {
        name.get(at..at + part.len()).is_some_and(|text| text.eq_ignore_ascii_case(part))
    };
    name.iter().enumerate().any(|(at, byte)| {
        let parts: &[&[u8]] = match byte.to_ascii_lowercase() {
            b'a' => &[b"auth"],
            b'b' => &[b"bear"],
            b'c' => &[b"cred", b"cook", b"connection"],
            b'h' => &[b"has"],
            b'j' => &[b"jwt"],
            b'k' => &[b"key"],
            b'm' => &[b"mfa"],
            b'o' => &[b"otp"],
            b'p' => &[b"pass", b"pwd"],
            b's' => &[b"secret", b"sign"],
            b't' => &[b"token"],
            _ => &[],
        };
        parts.iter().any(|part| begins(at, part))
    })
}

/// The words of `some_name`, `some-name`, `SomeName`, `SOME_NAME` and `some.name`,
/// in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for (at, c) in name.char_indices() {
        let after = name.get(at + c.len_utf8()..).and_then(|rest| rest.chars().next());
        // `APIKey` is `api key`.
        let begins = c.is_uppercase()
            && (before.is_lowercase()
                || before.is_numeric()
                || (before.is_uppercase() && after.is_some_and(char::is_lowercase)));
        if !c.is_alphanumeric() || begins {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c.is_alphanumeric()) {
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_so_by_its_words() {
        for name in [
            "password",
            "PASSWORD",
            "db_password",
            "dbPassword",
            "DB-PASSWORD",
            "api_key",
            "apiKey",
            "APIKey",
            "x-api-key",
            "X-Api-Key",
            "Authorization",
            "auth",
            "auth_token",
            "refreshToken",
            "client.secret",
            "LAPTOP_TOKEN",
            "aws_secret_access_key",
            "AWSSecretAccessKey",
            "set-cookie",
            "privateKey",
            "hasło",
            "Hasło",
            "passphrase",
            "signing_key",
            "id_token",
            "secret_id",
            "input_password",
        ] {
            assert!(names_secret(name), "{name}");
        }
        for name in [
            "",
            "author",
            "authority",
            "authored",
            "key",
            "keys",
            "keyboard",
            "tokenizer",
            "tokenise",
            "max_tokens",
            "maxTokens",
            "input_tokens",
            "total_tokens",
            "token_type",
            "token_count",
            "next_page_token",
            "nextPageToken",
            "progressToken",
            "secretary",
            "passwordless",
            "public_key",
            "password_policy",
            "token_url",
            "secret_name",
            "apikeys_are_nice",
            "cookiecutter",
            "message",
            "tool",
            "access_key_id",
            "token_id",
        ] {
            assert!(!names_secret(name), "{name}");
        }
    }
}
