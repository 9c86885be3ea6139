//! minisign's files, as far as trusting one takes: key ids and signatures.

use std::fmt;

use super::fault::Fault;

/// The number by which a signature names its key. It proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeyId(u64);

impl KeyId {
    pub(crate) fn new(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(u64::from_le_bytes).map(Self)
    }
}

/// As minisign prints it.
impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", self.0)
    }
}

/// A public key.
#[derive(Clone, Debug)]
pub(crate) struct PublicKey {
    id: KeyId,
    key: minisign_verify::PublicKey,
}

/// A signature that nobody has checked yet.
pub(crate) struct Signature {
    id: KeyId,
    signature: minisign_verify::Signature,
}

impl PublicKey {
    /// Reads a key: the base64 line alone, or a whole `.pub` file.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let line = text
            .lines()
            .map(str::trim)
            .rfind(|line| !line.is_empty() && !line.starts_with("untrusted comment:"))?;
        let key = minisign_verify::PublicKey::from_base64(line).ok()?;
        let id = minisign::PublicKey::from_base64(line).ok()?;
        Some(Self { id: KeyId::new(id.keynum())?, key })
    }

    pub(crate) fn id(&self) -> KeyId {
        self.id
    }

    /// Whether `signature` is this key's on exactly these bytes, its trusted
    /// comment included.
    pub(crate) fn verifies(&self, bytes: &[u8], signature: &Signature) -> bool {
        self.key.verify(bytes, &signature.signature, false).is_ok()
    }
}

impl Signature {
    /// Reads a `.minisig` file.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let text = std::str::from_utf8(bytes).map_err(|_| not_a_signature())?;
        let outline = minisign::SignatureBox::from_string(text).map_err(|_| not_a_signature())?;
        if !outline.is_prehashed() {
            return Err(Fault::new(
                "signature_legacy",
                "it is a signature in minisign's legacy format, which is not accepted",
                "sign again with `mcp-universal-server plugin sign`, or with minisign 0.11 or later",
            ));
        }
        Ok(Self {
            id: KeyId::new(outline.keynum()).ok_or_else(not_a_signature)?,
            signature: minisign_verify::Signature::decode(text).map_err(|_| not_a_signature())?,
        })
    }

    pub(crate) fn id(&self) -> KeyId {
        self.id
    }

    /// What its maker wrote beside it; true only once the signature is verified.
    pub(crate) fn comment(&self) -> &str {
        self.signature.trusted_comment()
    }
}

fn not_a_signature() -> Fault {
    Fault::new(
        "signature_unreadable",
        "it is no minisign signature",
        "sign again with `mcp-universal-server plugin sign`",
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    // The public key and signatures of minisign-verify's documentation, over `test`.
    const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
    const SIGNATURE: &str = "untrusted comment: signature from minisign secret key
RUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/z7SrlQgXdy8ofjb7bNJJylDOocrCo8KLzZwo=
trusted comment: timestamp:1633700835\tfile:test\tprehashed
wLMDjy9FLAuxZ3q4NlEvkgtyhrr0gtTu6KC4KBJdITbbOeAi1zBIYo0v4iTgt8jJpIidRJnp94ABQkJAgAooBQ==
";
    const LEGACY: &str = "untrusted comment: signature from minisign secret key
RWQf6LRCGA9i59SLOFxz6NxvASXDJeRtuZykwQepbDEGt87ig1BNpWaVWuNrm73YiIiJbq71Wi+dP9eKL8OC351vwIasSSbXxwA=
trusted comment: timestamp:1555779966\tfile:test
QtKMXWyYcwdpZAlPF7tE2ENJkRd1ujvKjlj1m9RtHTBnZPa5WKU5uWRs5GoP5M/VqE81QFuMKI5k/SfNQUaOAA==
";

    fn message(signature: &str) -> String {
        let fault = Signature::parse(signature.as_bytes()).err().unwrap();
        fault.at(Path::new("sig")).message
    }

    #[test]
    fn a_signature_counts_for_its_own_bytes_and_comment_only() {
        let key = PublicKey::parse(KEY).unwrap();
        let signature = Signature::parse(SIGNATURE.as_bytes()).unwrap();
        assert_eq!(signature.id(), key.id());
        assert_eq!(signature.comment(), "timestamp:1633700835\tfile:test\tprehashed");
        assert!(key.verifies(b"test", &signature));
        assert!(!key.verifies(b"Test", &signature));
        let other_comment = SIGNATURE.replace("file:test", "file:Test");
        let signature = Signature::parse(other_comment.as_bytes()).unwrap();
        assert!(!key.verifies(b"test", &signature));
    }

    #[test]
    fn a_key_id_reads_as_minisign_prints_it() {
        let file = format!("untrusted comment: minisign public key E7620F1842B4E81F\n{KEY}\n");
        for text in [KEY, &format!("{KEY}\n"), &file] {
            assert_eq!(PublicKey::parse(text).unwrap().id().to_string(), "E7620F1842B4E81F");
        }
        assert!(PublicKey::parse("RWQf6LRCGA9i53mlYecO4IzT51TGPpvW").is_none());
        assert!(PublicKey::parse("").is_none());
    }

    #[test]
    fn other_files_are_told_from_signatures() {
        assert_eq!(message(LEGACY), "it is a signature in minisign's legacy format, which is not accepted");
        for text in ["", "untrusted comment: x\nAAAA\ntrusted comment: y\nAAAA\n", "a\nb\nc\nd\n"] {
            assert_eq!(message(text), "it is no minisign signature");
        }
    }
}
