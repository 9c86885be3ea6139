//! What is worth telling of the refusals of one load after those of another.

use server_core::registry::Refusal;

use super::image::CHANGED;

/// Refusals that nobody has been told of. While a library is being copied, the
/// same one says something else at every look: how much of it is there by now.
pub fn news<'r>(told: &'r [Refusal], refusals: &'r [Refusal]) -> impl Iterator<Item = &'r Refusal> {
    let same = |one: &Refusal, other: &Refusal| {
        one.place == other.place
            && one.code == other.code
            && (one.message == other.message || one.code == CHANGED)
    };
    refusals.iter().filter(move |refusal| told.iter().all(|it| !same(it, refusal)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(place: &str, code: &'static str, message: &str) -> Refusal {
        Refusal { place: place.into(), code, message: message.to_owned(), help: String::new() }
    }

    #[test]
    fn a_refusal_is_told_once() {
        let told = [
            refusal("core/plugin.json", "key_expired", "trusted until May"),
            refusal("core/core.so", "library_changed", "it has 10 bytes, 30 were signed"),
        ];
        for (now, is_news) in [
            (told[0].clone(), false),
            (refusal("core/plugin.json", "key_expired", "trusted until June"), true),
            (refusal("core/plugin.json", "key_revoked", "trusted until May"), true),
            (refusal("echo/plugin.json", "key_expired", "trusted until May"), true),
            (refusal("core/core.so", "library_changed", "it has 20 bytes, 30 were signed"), false),
            (refusal("echo/echo.so", "library_changed", "it has 20 bytes, 30 were signed"), true),
        ] {
            let now = [now];
            assert_eq!(news(&told, &now).count() == 1, is_news, "{now:?}");
        }
    }
}
