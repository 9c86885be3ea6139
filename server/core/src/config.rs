//! From YAML to [`crate::settings::Settings`], with every problem at once.
