//! Keys of clouds, and of what runs in them.

use super::{Format, checks};

const UUID: &str = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";

fn is_hex(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'a'..=b'f')
}

fn is_alphanumeric(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn is_of_azure(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_.~-".contains(&byte)
}

pub(super) const FORMATS: &[Format] = &[
    Format::new("aws_key_id", &["AKIA", "ASIA", "ABIA", "ACCA"], "[A-Z2-7]{16}"),
    Format::with("aws_key_id", &["A3T"], "[A-Z0-9][A-Z2-7]{16}", checks::is_mixed),
    Format::new("aws_bedrock_key", &["ABSKQmVkcm9ja0FQSUtleS"], "[A-Za-z0-9+/]{80,}={0,2}"),
    Format::new("google_api_key", &["AIza"], r"[A-Za-z0-9_-]{35}"),
    Format::new("google_client_secret", &["GOCSPX-"], r"[A-Za-z0-9_-]{28}"),
    Format::new("google_access_token", &["ya29."], r"[A-Za-z0-9_.-]{30,}"),
    Format::new("google_refresh_token", &["1//0"], r"[A-Za-z0-9_-]{40,}"),
    Format::new("azure_storage_key", &["AccountKey="], "[A-Za-z0-9+/]{86}=="),
    Format::new("azure_shared_key", &["SharedAccessKey="], "[A-Za-z0-9+/]{43}="),
    Format::after("azure_client_secret", is_of_azure, 4..=4, &["Q~"], r"[A-Za-z0-9_.~-]{31,34}"),
    Format::new("alibaba_key_id", &["LTAI"], "[A-Za-z0-9]{20}"),
    Format::new("tencent_key_id", &["AKID"], "[A-Za-z0-9]{32}"),
    Format::new("digitalocean_token", &["dop_v1_", "doo_v1_", "dor_v1_"], "[0-9a-f]{64}"),
    Format::new("cloudflare_key", &["v1.0-"], "[0-9a-f]{24}-[0-9a-f]{146}"),
    Format::new(
        "heroku_key",
        &["HRKU-"],
        r"AA[A-Za-z0-9_-]{58}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    ),
    Format::new("fly_token", &["fo1_"], r"[A-Za-z0-9_-]{43}"),
    Format::new("fly_token", &["fm1r_", "fm2_", "fm1a_"], "[A-Za-z0-9+/]{100,}={0,3}"),
    Format::new("netlify_token", &["nfp_", "nfc_", "nfo_", "nfu_"], "[A-Za-z0-9]{36}"),
    Format::new("vercel_token", &["vcp_", "vci_", "vca_", "vcr_", "vck_"], "[A-Za-z0-9]{20,60}"),
    Format::new("render_token", &["rnd_"], "[A-Za-z0-9]{32}"),
    Format::new("supabase_token", &["sbp_"], "[0-9a-f]{40}"),
    Format::new("supabase_secret", &["sb_secret_"], r"[A-Za-z0-9_-]{31}"),
    Format::new(
        "planetscale_secret",
        &["pscale_tkn_", "pscale_pw_", "pscale_oauth_"],
        r"[A-Za-z0-9_.=-]{32,64}",
    ),
    Format::new("neon_key", &["napi_"], "[a-z0-9]{60,70}"),
    Format::new("databricks_token", &["dapi"], "[0-9a-f]{32}(?:-[0-9])?"),
    Format::new("vault_token", &["hvs.", "hvb.", "hvr."], r"[A-Za-z0-9_-]{24,}"),
    Format::after("terraform_token", is_alphanumeric, 14..=14, &[".atlasv1."], r"[A-Za-z0-9_=-]{60,70}"),
    Format::new("pulumi_token", &["pul-"], "[0-9a-f]{40}"),
    Format::new(
        "doppler_token",
        &["dp.pt.", "dp.st.", "dp.ct.", "dp.sa.", "dp.scim.", "dp.audit."],
        r"(?:[a-z0-9_-]{2,35}\.)?[A-Za-z0-9]{40,44}",
    ),
    Format::new("onepassword_token", &["ops_eyJ"], "[A-Za-z0-9+/]{250,}={0,3}"),
    Format::new("age_key", &["AGE-SECRET-KEY-1"], "[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}"),
    Format::new(
        "tailscale_key",
        &["tskey-auth-", "tskey-api-", "tskey-client-", "tskey-webhook-"],
        "[A-Za-z0-9]{6,20}(?:CNTRL)?-[A-Za-z0-9]{20,50}",
    ),
    Format::new("grafana_token", &["glsa_"], "[A-Za-z0-9]{32}_[0-9a-f]{8}"),
    Format::new("grafana_token", &["glc_eyJ"], "[A-Za-z0-9+/]{40,}={0,2}"),
    Format::new("newrelic_key", &["NRAK-"], "[A-Z0-9]{27}"),
    Format::new("newrelic_key", &["NRII-", "NRIQ-"], r"[A-Za-z0-9_-]{32}"),
    Format::new("sentry_token", &["sntryu_"], "[0-9a-f]{64}"),
    Format::new("sentry_token", &["sntrys_eyJ"], r"[A-Za-z0-9+/_=-]{60,}"),
    Format::new("dynatrace_token", &["dt0c01.", "dt0s01.", "dt0s16."], r"[A-Z0-9]{24}\.[A-Z0-9]{64}"),
    Format::new("launchdarkly_key", &["sdk-", "api-", "mob-"], UUID),
    Format::new("harness_token", &["pat.", "sat."], r"[A-Za-z0-9_-]{22}\.[0-9a-f]{24}\.[A-Za-z0-9]{20}"),
    Format::new("scaleway_key", &["SCW"], "[A-Z0-9]{17}"),
    Format::after("mailchimp_key", is_hex, 32..=32, &["-us"], "[0-9]{1,2}"),
];
