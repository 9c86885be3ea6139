//! How requests go out, whoever makes them.

use std::{net::SocketAddr, path::PathBuf};

/// How requests go out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct EgressSettings {
    /// Who looks names up. Empty: whoever does so for this machine.
    pub dns_servers: Vec<SocketAddr>,
    /// Who is trusted beside the usual authorities.
    pub authorities: Option<Authorities>,
}

/// Certificates of authorities.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Authorities {
    /// The file they were read from.
    pub path: PathBuf,
    /// What was in it, PEM.
    pub pem: String,
}
