//! Limits as agents meet them: exactly as many calls as may, whoever comes how
//! often, and a server that nobody fills.

mod crowds;
mod outside;
mod slow;
