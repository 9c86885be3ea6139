//! The bundled plugin `prompts`.
