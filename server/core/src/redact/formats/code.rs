//! Tokens of forges, package registries and what builds software.

use super::{Format, checks};

pub(super) const FORMATS: &[Format] = &[
    Format::with(
        "github_token",
        &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"],
        "[A-Za-z0-9]{36}",
        checks::has_crc,
    ),
    Format::new("github_token", &["github_pat_"], "[A-Za-z0-9]{22}_[A-Za-z0-9]{59}"),
    Format::new(
        "gitlab_token",
        &["glpat-", "gldt-", "glft-", "glsoat-", "glimt-", "gloas-", "glcbt-", "glwt-"],
        r"[A-Za-z0-9_-]{20,300}(?:\.[0-9a-z]{2}\.[0-9a-z]{9})?",
    ),
    Format::new(
        "gitlab_token",
        &["glrt-", "glptt-", "glagent-", "glrtr-", "GR1348941"],
        r"[A-Za-z0-9_-]{20,60}(?:\.[0-9a-z]{2}\.[0-9a-z]{9})?",
    ),
    Format::new("bitbucket_token", &["ATBB"], "[A-Za-z0-9]{24}[A-F0-9]{8}"),
    Format::new("atlassian_token", &["ATATT3", "ATCTT3", "ATSTT3"], r"[A-Za-z0-9_=-]{150,260}"),
    Format::with("npm_token", &["npm_"], "[A-Za-z0-9]{36}", checks::has_crc),
    Format::new(
        "pypi_token",
        &["pypi-AgEIcHlwaS5vcmc", "pypi-AgENdGVzdC5weXBpLm9yZw"],
        r"[A-Za-z0-9_-]{50,}",
    ),
    Format::with("crates_token", &["cio"], "[A-Za-z0-9]{32}", checks::is_mixed),
    Format::new("rubygems_key", &["rubygems_"], "[0-9a-f]{48}"),
    Format::with("nuget_key", &["oy2"], "[a-z0-9]{43}", checks::is_mixed),
    Format::new(
        "packagist_token",
        &["packagist_uut_", "packagist_org_update_", "packagist_ort_", "packagist_oct_"],
        "[0-9a-f]{64,72}",
    ),
    Format::new("clojars_token", &["CLOJARS_"], "[a-z0-9]{60}"),
    Format::new("docker_token", &["dckr_pat_", "dckr_oat_"], r"[A-Za-z0-9_-]{27,32}"),
    Format::with("artifactory_key", &["AKCp"], "[A-Za-z0-9]{69}", checks::is_mixed),
    Format::with("artifactory_token", &["cmVmdGtu"], "[A-Za-z0-9]{56}", checks::is_mixed),
    Format::new("sonar_token", &["squ_", "sqp_", "sqa_"], "[0-9a-f]{40}"),
    Format::new("buildkite_token", &["bkua_"], "[0-9a-f]{40}"),
    Format::new("buildkite_token", &["bkaj_", "bkct_", "bkr_"], r"[A-Za-z0-9_-]{40,}"),
    Format::new("circleci_token", &["CCIPAT_", "CCIPRJ_"], "[A-Za-z0-9]{22}_[0-9a-f]{40}"),
    Format::new("prefect_key", &["pnu_", "pnb_"], "[A-Za-z0-9]{36}"),
    Format::new(
        "snyk_token",
        &["snyk_uat.", "snyk_sat."],
        r"[a-z0-9]{8}\.[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}",
    ),
    Format::new("posthog_key", &["phx_", "phs_"], r"[A-Za-z0-9_-]{40,60}"),
    Format::new("postman_key", &["PMAK-"], "[0-9a-f]{24}-[0-9a-f]{34}"),
    Format::new("readme_key", &["rdme_"], "[a-z0-9]{70}"),
];
