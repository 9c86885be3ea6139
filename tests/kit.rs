//! What a plugin's author does, from the first file on.

mod new;
mod page;
mod run;
mod system;
