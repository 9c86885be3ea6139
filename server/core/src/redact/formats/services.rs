//! Tokens of services for messages, money and offices.

use super::{Format, checks};

fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit()
}

pub(super) const FORMATS: &[Format] = &[
    Format::new(
        "slack_token",
        &["xoxb-", "xoxp-", "xoxa-", "xoxe-", "xoxo-", "xoxr-", "xoxs-", "xoxc-", "xoxd-"],
        "[A-Za-z0-9%+/=_-]{24,}",
    ),
    Format::new("slack_token", &["xoxe.xox"], "[bp]-[A-Za-z0-9-]{100,}"),
    Format::new("slack_token", &["xapp-"], "[0-9]-[A-Z0-9]{8,14}-[0-9]{8,14}-[0-9a-f]{64}"),
    Format::new(
        "slack_webhook",
        &["hooks.slack.com/services/", "hooks.slack.com/workflows/", "hooks.slack.com/triggers/"],
        r"[A-Za-z0-9+/]{40,60}",
    ),
    Format::new(
        "discord_webhook",
        &["discord.com/api/webhooks/", "discordapp.com/api/webhooks/"],
        r"[0-9]{17,20}/[A-Za-z0-9_-]{60,75}",
    ),
    Format::new(
        "teams_webhook",
        &[".webhook.office.com/webhookb2/"],
        r"[0-9a-f-]{36}@[0-9a-f-]{36}/IncomingWebhook/[0-9a-f]{32}/[0-9a-f-]{36}",
    ),
    Format::after("telegram_token", is_digit, 8..=10, &[":AA"], r"[A-Za-z0-9_-]{33}"),
    Format::new(
        "stripe_key",
        &["sk_live_", "sk_test_", "rk_live_", "rk_test_", "sk_prod_", "rk_prod_"],
        "[A-Za-z0-9]{10,247}",
    ),
    Format::new("stripe_webhook_secret", &["whsec_"], "[A-Za-z0-9+/]{32,64}={0,2}"),
    Format::with("square_token", &["EAAA"], r"[A-Za-z0-9_-]{60}", checks::is_mixed),
    Format::new("square_token", &["sq0atp-"], r"[A-Za-z0-9_-]{22}"),
    Format::new("square_secret", &["sq0csp-"], r"[A-Za-z0-9_-]{43}"),
    Format::with("facebook_token", &["EAA"], "[A-Za-z0-9]{90,}", checks::is_mixed),
    Format::new("shopify_token", &["shpat_", "shpca_", "shppa_", "shpss_"], "[0-9a-fA-F]{32}"),
    Format::new(
        "paypal_token",
        &["access_token$production$", "access_token$sandbox$"],
        r"[0-9a-z]{16}\$[0-9a-f]{32}",
    ),
    Format::new("flutterwave_key", &["FLWSECK-", "FLWSECK_TEST-"], "[0-9a-hA-H]{32}(?:-X)?"),
    Format::new(
        "plaid_token",
        &["access-sandbox-", "access-development-", "access-production-"],
        "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    ),
    Format::new("sendgrid_key", &["SG."], r"[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"),
    Format::new("mailgun_key", &["key-", "pubkey-"], "[0-9a-f]{32}"),
    Format::new("brevo_key", &["xkeysib-", "xsmtpsib-"], "[0-9a-f]{64}-[A-Za-z0-9]{16}"),
    Format::new("resend_key", &["re_"], "[A-Za-z0-9]{8}_[A-Za-z0-9]{24}"),
    Format::with("twilio_key", &["SK"], "[0-9a-f]{32}", checks::is_mixed),
    Format::new("infracost_key", &["ico-"], "[A-Za-z0-9]{32}"),
    Format::new("linear_key", &["lin_api_", "lin_oauth_"], "[A-Za-z0-9]{40,64}"),
    Format::new("notion_token", &["ntn_"], "[0-9]{11}[A-Za-z0-9]{35}"),
    Format::with("notion_token", &["secret_"], "[A-Za-z0-9]{43}", checks::is_mixed),
    Format::new("figma_token", &["figd_", "figu_"], r"[A-Za-z0-9_-]{40,50}"),
    Format::new("airtable_token", &["pat"], r"[A-Za-z0-9]{14}\.[0-9a-f]{64}"),
    Format::new("asana_token", &["1/", "2/"], "[0-9]{15,17}(?:/[0-9]{15,17})?:[0-9a-f]{32}"),
    Format::new("clickup_token", &["pk_"], "[0-9]{5,9}_[A-Z0-9]{32}"),
    Format::new("contentful_token", &["CFPAT-"], r"[A-Za-z0-9_-]{43}"),
    Format::new("typeform_token", &["tfp_"], r"[A-Za-z0-9_.=-]{40,64}"),
    Format::new("easypost_key", &["EZAK", "EZTK"], "[A-Za-z0-9]{54}"),
    Format::new("shippo_token", &["shippo_live_", "shippo_test_"], "[0-9a-f]{40}"),
    Format::new("duffel_token", &["duffel_test_", "duffel_live_"], r"[A-Za-z0-9_=-]{43}"),
    Format::new("frameio_token", &["fio-u-"], r"[A-Za-z0-9_=-]{64}"),
    Format::new("adobe_secret", &["p8e-"], "[A-Za-z0-9]{32}"),
    Format::new("dropbox_token", &["sl."], r"(?:u\.)?[A-Za-z0-9_-]{130,}"),
];
