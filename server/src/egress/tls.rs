//! Who is believed to be who.

use std::sync::Arc;

use server_core::settings::Authorities;
use tokio_rustls::rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};

/// TLS as the connector speaks it. Mozilla's authorities come with the program, so
/// that what is trusted does not depend on the machine; a LAN's own are named in
/// the configuration. Nothing switches the check off.
pub(super) fn config(authorities: Option<&Authorities>) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(Authorities { path, pem }) = authorities {
        let unusable = |error: &dyn std::fmt::Display| {
            format!("`egress.ca_file` cannot be used: {}: {error}", path.display())
        };
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|error| unusable(&error))?;
            roots.add(certificate).map_err(|error| unusable(&error))?;
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
