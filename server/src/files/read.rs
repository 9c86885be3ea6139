//! A part of a file.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use plugin_contract::op::{FileEncoding, FilePart, ReadFile};

use super::{FileError, Root, path::Below};

/// No character is longer, so that every part of a text holds one.
const CHARACTER: u64 = 4;

/// The part that was asked for, as large as the root lets it be.
pub(crate) fn read(root: &Root<'_>, asked: &ReadFile) -> Result<FilePart, FileError> {
    let path = root.path(&asked.path)?;
    let (file, size) = root.file(&path)?;
    let most = root.settings.max_read_bytes;
    let length = asked.length.unwrap_or(most).min(most).max(CHARACTER);
    if asked.offset >= size {
        return Ok(FilePart { content: String::new(), offset: asked.offset, length: 0, size });
    }
    let bytes = part(file, asked.offset, length)
        .map_err(|error| FileError::failed(format!("`{path}` cannot be read: {}", error.kind())))?;
    // It may have grown or shrunk since it was opened.
    let size = size.max(asked.offset.saturating_add(bytes.len() as u64));
    let is_end = asked.offset + bytes.len() as u64 >= size;
    let (content, length) = match asked.encoding {
        FileEncoding::Base64 => (STANDARD.encode(&bytes), bytes.len()),
        FileEncoding::Text => text(&path, asked.offset, bytes, is_end)?,
    };
    Ok(FilePart { content, offset: asked.offset, length: length as u64, size })
}

fn part(mut file: File, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(offset))?;
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The whole characters at the beginning, if it is text, and how many bytes.
fn text(path: &Below, offset: u64, mut bytes: Vec<u8>, is_end: bool) -> Result<(String, usize), FileError> {
    let no_text = |at: usize, what: &str| {
        let at = offset.saturating_add(at as u64);
        FileError::invalid(format!("`{path}` is no text: byte {at} {what}; read it as base64"))
    };
    if let Some(nul) = bytes.iter().position(|byte| *byte == 0) {
        return Err(no_text(nul, "is NUL"));
    }
    if let Err(error) = std::str::from_utf8(&bytes) {
        let valid = error.valid_up_to();
        // The last character may go on in the next part.
        if error.error_len().is_some() || is_end || valid == 0 {
            return Err(no_text(valid, "is not UTF-8, or not the first of its character"));
        }
        bytes.truncate(valid);
    }
    let length = bytes.len();
    String::from_utf8(bytes).map(|text| (text, length)).map_err(|_| no_text(0, "is not UTF-8"))
}
