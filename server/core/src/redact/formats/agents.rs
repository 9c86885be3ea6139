//! Tokens of this server, and keys of language models and what agents use.

use super::{Format, checks};

pub(super) const FORMATS: &[Format] = &[
    Format::new("server_token", &["mus_"], "[0-9a-f]{64}"),
    Format::new("minisign_key", &["RWRTY0Iy", "RWQAAEIy"], "[A-Za-z0-9+/]{190,210}={0,2}"),
    Format::with(
        "jwt",
        &["eyJ"],
        r"[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*){0,3}",
        checks::is_jwt,
    ),
    Format::new("anthropic_key", &["sk-ant-"], r"[a-z]{3,6}[0-9]{2}-[A-Za-z0-9_-]{40,}"),
    Format::new("openai_key", &["sk-"], r"[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}"),
    Format::new("openai_key", &["sk-proj-", "sk-svcacct-", "sk-admin-", "sk-None-"], r"[A-Za-z0-9_-]{40,}"),
    Format::new("openrouter_key", &["sk-or-v1-"], "[0-9a-f]{64}"),
    Format::new("deepseek_key", &["sk-"], "[0-9a-f]{32}"),
    Format::new("stability_key", &["sk-"], "[A-Za-z0-9]{48}"),
    Format::new("xai_key", &["xai-"], "[A-Za-z0-9]{80}"),
    Format::new("groq_key", &["gsk_"], "[A-Za-z0-9]{52}"),
    Format::new("perplexity_key", &["pplx-"], "[A-Za-z0-9]{48}"),
    Format::new("huggingface_token", &["hf_", "api_org_"], "[A-Za-z0-9]{34}"),
    Format::new("replicate_token", &["r8_"], "[A-Za-z0-9]{37}"),
    Format::new("tavily_key", &["tvly-"], r"(?:dev-|prod-)?[A-Za-z0-9_-]{32,}"),
    Format::new("langsmith_key", &["lsv2_pt_", "lsv2_sk_"], "[0-9a-f]{32}_[0-9a-f]{10}"),
    Format::new("langfuse_key", &["sk-lf-"], "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
    Format::new("wandb_key", &["wandb_v1_"], "[A-Za-z0-9_]{40,}"),
    Format::new("pinecone_key", &["pcsk_"], "[A-Za-z0-9]{5,6}_[A-Za-z0-9]{60,70}"),
    Format::new("fireworks_key", &["fw_"], "[A-Za-z0-9]{22,24}"),
    Format::new("cerebras_key", &["csk-"], "[a-z0-9]{48}"),
    Format::new("nvidia_key", &["nvapi-"], r"[A-Za-z0-9_-]{60,70}"),
    Format::new("elevenlabs_key", &["sk_"], "[0-9a-f]{48}"),
    Format::new("firecrawl_key", &["fc-"], "[0-9a-f]{32}"),
];
