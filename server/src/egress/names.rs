//! Looking names up.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use hickory_resolver::{
    ResolverBuilder, TokioResolver,
    config::{
        ConnectionConfig, LookupIpStrategy, NameServerConfig, ProtocolConfig, ResolveHosts, ResolverConfig,
        ResolverOpts,
    },
    net::NetError,
    net::runtime::TokioRuntimeProvider,
};
use server_core::egress::HostName;

use super::{CONNECT, Failure};

const LOCAL: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 53);

/// A name that leads to more addresses than this is not reached.
const MAX_ADDRESSES: usize = 16;

/// How long an answer is kept, whatever it says of itself.
const KEPT: Duration = Duration::from_secs(60);
const ABSENCE_KEPT: Duration = Duration::from_secs(5);

/// Looks names up at the servers of the configuration, or of the system.
pub(super) fn resolver(servers: &[SocketAddr]) -> Result<TokioResolver, String> {
    let unusable = |error: NetError| format!("names cannot be looked up: {error}");
    let mut builder = match servers {
        // Without a file that names any, they are asked for on this machine, as the
        // system's own functions do.
        [] => TokioResolver::builder_tokio().unwrap_or_else(|_| asking(&[LOCAL])),
        servers => asking(servers),
    };
    // Who names servers means them, and no file of the system.
    let hosts = if servers.is_empty() { ResolveHosts::Always } else { ResolveHosts::Never };
    set(builder.options_mut(), hosts);
    builder.build().map_err(unusable)
}

fn asking(servers: &[SocketAddr]) -> ResolverBuilder<TokioRuntimeProvider> {
    let servers = servers.iter().map(server).collect();
    let config = ResolverConfig::from_parts(None, Vec::new(), servers);
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
}

fn set(options: &mut ResolverOpts, hosts: ResolveHosts) {
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.use_hosts_file = hosts;
    options.timeout = Duration::from_secs(2);
    options.attempts = 2;
    options.positive_max_ttl = Some(KEPT);
    options.negative_max_ttl = Some(ABSENCE_KEPT);
}

fn server(address: &SocketAddr) -> NameServerConfig {
    let connection = |protocol| {
        let mut connection = ConnectionConfig::new(protocol);
        connection.port = address.port();
        connection
    };
    let both = [ProtocolConfig::Udp, ProtocolConfig::Tcp].map(connection);
    NameServerConfig::new(address.ip(), true, both.into())
}

/// Every address that a name leads to.
pub(super) async fn addresses(resolver: &TokioResolver, host: &HostName) -> Result<Vec<IpAddr>, Failure> {
    let lookup = |reason| Failure::Lookup { host: host.clone(), reason };
    // The dot keeps the system's search domains out of it.
    let found = tokio::time::timeout(CONNECT, resolver.lookup_ip(format!("{host}."))).await;
    let found = found.map_err(|_| lookup("there was no answer"))?;
    let found = found.map_err(|error| match error {
        NetError::Timeout => lookup("there was no answer"),
        error if error.is_no_records_found() => Failure::NoSuchHost(host.clone()),
        _ => lookup("the answer was of no use"),
    })?;
    let mut addresses: Vec<_> = found.iter().collect();
    addresses.sort_unstable();
    addresses.dedup();
    match addresses.len() {
        0 => Err(Failure::NoSuchHost(host.clone())),
        1..=MAX_ADDRESSES => Ok(addresses),
        _ => Err(lookup("it has too many addresses")),
    }
}
