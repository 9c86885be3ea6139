"""Tokens and keys, made from the formats that their vendors publish."""

import base64
import json
import random
import string
import zlib

HEX = "0123456789abcdef"
LOWER = string.ascii_lowercase + string.digits
UPPER = string.ascii_uppercase + string.digits
ALNUM = string.ascii_letters + string.digits
URL = ALNUM + "-_"
BASE64 = ALNUM + "+/"
BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase


class Maker:
    def __init__(self, rng: random.Random):
        self.rng = rng

    def some(self, alphabet, count):
        return "".join(self.rng.choice(alphabet) for _ in range(count))

    def uuid(self):
        return "-".join(self.some(HEX, n) for n in (8, 4, 4, 4, 12))

    def with_crc(self, prefix):
        digits = self.some(ALNUM, 30)
        crc, check = zlib.crc32(digits.encode()), ""
        for _ in range(6):
            crc, digit = divmod(crc, 62)
            check = BASE62[digit] + check
        return prefix + digits + check

    def jwt(self):
        part = lambda value: base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
        header = {"alg": self.rng.choice(["HS256", "RS256", "ES256"]), "typ": "JWT"}
        claims = {"sub": self.some(string.digits, 9), "iat": self.rng.randrange(10**9)}
        return ".".join([part(header), part(claims), self.some(URL, 43)])

    def pem(self):
        kind = self.rng.choice(["", "RSA ", "EC ", "OPENSSH "])
        lines = "\n".join(self.some(BASE64, 64) for _ in range(self.rng.randrange(3, 25)))
        return f"-----BEGIN {kind}PRIVATE KEY-----\n{lines}\n-----END {kind}PRIVATE KEY-----"

    def token(self, rule):
        some, one = self.some, self.rng.choice
        makers = {
            "server_token": lambda: "mus_" + some(HEX, 64),
            "jwt": self.jwt,
            "private_key": self.pem,
            "anthropic_key": lambda: "sk-ant-" + one(["api03-", "admin01-", "oat01-"]) + some(URL, 93) + "AA",
            "openai_key": lambda: one([
                lambda: "sk-proj-" + some(URL, 74) + "T3BlbkFJ" + some(URL, 74),
                lambda: "sk-" + some(ALNUM, 20) + "T3BlbkFJ" + some(ALNUM, 20),
            ])(),
            "openrouter_key": lambda: "sk-or-v1-" + some(HEX, 64),
            "xai_key": lambda: "xai-" + some(ALNUM, 80),
            "groq_key": lambda: "gsk_" + some(ALNUM, 52),
            "perplexity_key": lambda: "pplx-" + some(ALNUM, 48),
            "huggingface_token": lambda: "hf_" + some(string.ascii_letters, 34),
            "replicate_token": lambda: "r8_" + some(ALNUM, 37),
            "langsmith_key": lambda: "lsv2_pt_" + some(HEX, 32) + "_" + some(HEX, 10),
            "nvidia_key": lambda: "nvapi-" + some(URL, 64),
            "aws_key_id": lambda: one(["AKIA", "ASIA"]) + some(string.ascii_uppercase + "234567", 16),
            "google_api_key": lambda: "AIza" + some(URL, 35),
            "google_client_secret": lambda: "GOCSPX-" + some(URL, 28),
            "google_access_token": lambda: "ya29." + some(URL, 120),
            "azure_storage_key": lambda: "AccountKey=" + some(BASE64, 86) + "==",
            "azure_client_secret": lambda: some(ALNUM, 3) + one("78") + "Q~" + some(URL + ".", 34),
            "digitalocean_token": lambda: one(["dop_v1_", "doo_v1_"]) + some(HEX, 64),
            "heroku_key": lambda: "HRKU-AA" + some(URL, 58),
            "netlify_token": lambda: "nfp_" + some(ALNUM, 36),
            "supabase_token": lambda: "sbp_" + some(HEX, 40),
            "planetscale_secret": lambda: "pscale_tkn_" + some(URL, 43),
            "databricks_token": lambda: "dapi" + some(HEX, 32),
            "vault_token": lambda: "hvs." + some(URL, 90),
            "terraform_token": lambda: some(ALNUM, 14) + ".atlasv1." + some(ALNUM, 67),
            "pulumi_token": lambda: "pul-" + some(HEX, 40),
            "doppler_token": lambda: "dp.pt." + some(ALNUM, 43),
            "age_key": lambda: "AGE-SECRET-KEY-1" + some("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58),
            "tailscale_key": lambda: "tskey-auth-" + some(ALNUM, 12) + "CNTRL-" + some(ALNUM, 32),
            "grafana_token": lambda: "glsa_" + some(ALNUM, 32) + "_" + some(HEX, 8),
            "newrelic_key": lambda: "NRAK-" + some(UPPER, 27),
            "sentry_token": lambda: "sntryu_" + some(HEX, 64),
            "dynatrace_token": lambda: "dt0c01." + some(UPPER, 24) + "." + some(UPPER, 64),
            "launchdarkly_key": lambda: one(["sdk-", "api-"]) + self.uuid(),
            "mailchimp_key": lambda: some(HEX, 32) + "-us" + str(self.rng.randrange(1, 22)),
            "github_token": lambda: one([
                lambda: self.with_crc(one(["ghp_", "gho_", "ghu_", "ghs_", "ghr_"])),
                lambda: "github_pat_" + some(ALNUM, 22) + "_" + some(ALNUM, 59),
            ])(),
            "gitlab_token": lambda: one(["glpat-", "gldt-", "glrt-", "glptt-"]) + some(URL, 20),
            "npm_token": lambda: self.with_crc("npm_"),
            "pypi_token": lambda: "pypi-AgEIcHlwaS5vcmc" + some(URL, 140),
            "crates_token": lambda: "cio" + some(ALNUM, 32),
            "rubygems_key": lambda: "rubygems_" + some(HEX, 48),
            "nuget_key": lambda: "oy2" + some(LOWER, 43),
            "docker_token": lambda: "dckr_pat_" + some(URL, 27),
            "atlassian_token": lambda: "ATATT3" + some(URL, 180) + "=" + some(UPPER, 8),
            "sonar_token": lambda: one(["squ_", "sqp_"]) + some(HEX, 40),
            "buildkite_token": lambda: "bkua_" + some(HEX, 40),
            "circleci_token": lambda: "CCIPAT_" + some(ALNUM, 22) + "_" + some(HEX, 40),
            "postman_key": lambda: "PMAK-" + some(HEX, 24) + "-" + some(HEX, 34),
            "slack_token": lambda: one(["xoxb-", "xoxp-"]) + some(string.digits, 12) + "-" + some(string.digits, 12) + "-" + some(ALNUM, 24),
            "slack_webhook": lambda: "hooks.slack.com/services/T" + some(UPPER, 10) + "/B" + some(UPPER, 10) + "/" + some(ALNUM, 24),
            "discord_webhook": lambda: "discord.com/api/webhooks/" + some(string.digits, 18) + "/" + some(URL, 68),
            "telegram_token": lambda: some("123456789", 10) + ":AA" + some(URL, 33),
            "stripe_key": lambda: one(["sk_live_", "rk_live_", "sk_test_"]) + some(ALNUM, 99),
            "stripe_webhook_secret": lambda: "whsec_" + some(ALNUM, 32),
            "square_secret": lambda: "sq0csp-" + some(URL, 43),
            "shopify_token": lambda: "shpat_" + some(HEX, 32),
            "sendgrid_key": lambda: "SG." + some(URL, 22) + "." + some(URL, 43),
            "mailgun_key": lambda: "key-" + some(HEX, 32),
            "brevo_key": lambda: "xkeysib-" + some(HEX, 64) + "-" + some(ALNUM, 16),
            "twilio_key": lambda: "SK" + some(HEX, 32),
            "linear_key": lambda: "lin_api_" + some(ALNUM, 40),
            "notion_token": lambda: "ntn_" + some(string.digits, 11) + some(ALNUM, 35),
            "figma_token": lambda: "figd_" + some(URL, 43),
            "airtable_token": lambda: "pat" + some(ALNUM, 14) + "." + some(HEX, 64),
            "contentful_token": lambda: "CFPAT-" + some(URL, 43),
        }
        return makers[rule]() if rule else list(makers)
