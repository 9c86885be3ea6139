//! What a model's tokens cost, and what a request cost or may cost.

use crate::money::{Bill, NanoDollars, PerMillion};

/// The price list of one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    base: Rates,
    /// Ascending by where they begin.
    tiers: Vec<Tier>,
}

/// Prices per million tokens, of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Input that no cache knew.
    pub input: PerMillion,
    /// Input that a cache knew.
    pub cached_input: PerMillion,
    /// Input that is put into a cache.
    pub cache_write: PerMillion,
    /// Output, reasoning included.
    pub output: PerMillion,
}

/// What holds instead for the whole of a request with much input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    /// It holds above so many tokens of input, cached ones included.
    pub above_input_tokens: u64,
    /// And then costs this.
    pub rates: Rates,
}

/// The tokens of one request. No token is counted twice: providers differ in
/// whether their "input" includes what a cache knew, and adapters even that out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Input that no cache knew and that was put into none.
    pub input: u64,
    /// Input that a cache knew.
    pub cached_input: u64,
    /// Input that was put into a cache.
    pub cache_write: u64,
    /// Output, reasoning included.
    pub output: u64,
}

impl Usage {
    /// All of the input.
    #[must_use]
    pub fn whole_input(self) -> u64 {
        self.input.saturating_add(self.cached_input).saturating_add(self.cache_write)
    }

    /// Whether it can be what an answer of so many bytes used: no prompt is without
    /// tokens, and neither is a text. What says otherwise must not make it free.
    #[must_use]
    pub fn is_credible(self, answer_bytes: u64) -> bool {
        self.whole_input() > 0 && (self.output > 0 || answer_bytes == 0)
    }
}

impl Price {
    /// A list with the given tiers, in whatever order.
    #[must_use]
    pub fn new(base: Rates, mut tiers: Vec<Tier>) -> Self {
        tiers.sort_by_key(|tier| tier.above_input_tokens);
        Self { base, tiers }
    }

    /// What tokens usually cost.
    #[must_use]
    pub fn base(&self) -> &Rates {
        &self.base
    }

    /// What holds instead for much input, ascending.
    #[must_use]
    pub fn tiers(&self) -> &[Tier] {
        &self.tiers
    }

    /// What a request cost that used so many tokens.
    #[must_use]
    pub fn cost(&self, usage: Usage) -> NanoDollars {
        let rates = self.tiers_within(usage.whole_input()).last().map_or(self.base, |tier| tier.rates);
        Bill::default()
            .with(usage.input, rates.input)
            .with(usage.cached_input, rates.cached_input)
            .with(usage.cache_write, rates.cache_write)
            .with(usage.output, rates.output)
            .total()
    }

    /// The most that a request can cost: its input may cost as much as it takes to
    /// put it into a cache, and any tier up to the one of the whole input may hold.
    #[must_use]
    pub fn worst_case(&self, input: u64, output: u64) -> NanoDollars {
        let reachable = self.tiers_within(input).map(|tier| tier.rates).chain([self.base]);
        let most = |rates: Rates| {
            let dearest = rates.input.max(rates.cached_input).max(rates.cache_write);
            Bill::default().with(input, dearest).with(output, rates.output).total()
        };
        reachable.map(most).max().unwrap_or(NanoDollars::MAX)
    }

    fn tiers_within(&self, input: u64) -> impl Iterator<Item = &Tier> {
        self.tiers.iter().filter(move |tier| input > tier.above_input_tokens)
    }
}

/// The most tokens that a provider can make of a text: each stands for at least
/// one byte. Usually it is a quarter of that, but not for random characters, and a
/// limit that holds for ordinary prompts only is none. The rest is for what a
/// provider wraps around a prompt.
#[must_use]
pub fn input_tokens_at_most(bytes: usize) -> u64 {
    const AROUND: u64 = 64;
    u64::try_from(bytes).unwrap_or(u64::MAX).saturating_add(AROUND)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn per_million(text: &str) -> PerMillion {
        PerMillion(text.parse().unwrap())
    }

    fn rates(input: &str, cached_input: &str, cache_write: &str, output: &str) -> Rates {
        Rates {
            input: per_million(input),
            cached_input: per_million(cached_input),
            cache_write: per_million(cache_write),
            output: per_million(output),
        }
    }

    fn dollars(text: &str) -> NanoDollars {
        text.parse().unwrap()
    }

    #[test]
    fn each_kind_of_token_has_its_own_price() {
        let price = Price::new(rates("1", "0.10", "1.25", "5"), Vec::new());
        for (usage, cost) in [
            (Usage::default(), "0"),
            (Usage { input: 1_000_000, ..Usage::default() }, "1"),
            (Usage { cached_input: 1_000_000, ..Usage::default() }, "0.10"),
            (Usage { cache_write: 1_000_000, ..Usage::default() }, "1.25"),
            (Usage { output: 1_000_000, ..Usage::default() }, "5"),
            (Usage { input: 3, cached_input: 7, cache_write: 0, output: 11 }, "0.0000587"),
        ] {
            assert_eq!(price.cost(usage), dollars(cost), "{usage:?}");
        }
    }

    /// A provider whose input excludes what its cache knew bills a long conversation
    /// almost wholly there; without it four fifths would go uncounted.
    #[test]
    fn tokens_of_a_cache_are_billed_beside_the_input() {
        let price = Price::new(rates("3", "0.30", "3.75", "15"), Vec::new());
        let usage = Usage { input: 200, cached_input: 90_000, cache_write: 4_000, output: 500 };
        assert_eq!(price.cost(usage), dollars("0.0501"));
        assert_eq!(price.cost(Usage { cached_input: 0, cache_write: 0, ..usage }), dollars("0.0081"));
    }

    #[test]
    fn usage_that_makes_an_answer_free_is_not_credible() {
        let of = |input, output| Usage { input, output, ..Usage::default() };
        for (usage, answer_bytes, expected) in [
            (of(10, 5), 20, true),
            (of(10, 0), 0, true),
            (Usage { cached_input: 10, output: 5, ..Usage::default() }, 20, true),
            (of(10, 0), 20, false),
            (of(0, 5), 20, false),
            (of(0, 0), 0, false),
        ] {
            assert_eq!(usage.is_credible(answer_bytes), expected, "{usage:?}, {answer_bytes}");
        }
    }

    #[test]
    fn a_long_request_costs_what_its_tier_says_for_all_of_it() {
        let long = Tier { above_input_tokens: 272_000, rates: rates("5", "0.50", "5", "22.50") };
        let price = Price::new(rates("2.50", "0.25", "2.50", "15"), vec![long]);
        let of = |input, cached_input| Usage { input, cached_input, cache_write: 0, output: 1_000 };
        assert_eq!(price.cost(of(272_000, 0)), dollars("0.695"));
        assert_eq!(price.cost(of(272_001, 0)), dollars("1.382505"));
        // What a cache knew counts towards the tier too.
        assert_eq!(price.cost(of(1, 272_000)), dollars("0.158505"));
    }

    #[test]
    fn the_worst_case_is_never_less_than_what_is_billed() {
        let odd = Tier { above_input_tokens: 100, rates: rates("1", "9", "2", "3") };
        let cheap = Tier { above_input_tokens: 200, rates: rates("0.1", "0.1", "0.1", "0.1") };
        let price = Price::new(rates("2", "1", "4", "5"), vec![cheap, odd]);
        for whole in [1, 100, 101, 200, 201, 1000] {
            let worst = price.worst_case(whole, 50);
            for usage in [
                Usage { input: whole, output: 50, ..Usage::default() },
                Usage { cached_input: whole, output: 50, ..Usage::default() },
                Usage { cache_write: whole, output: 50, ..Usage::default() },
                Usage { input: whole / 2, output: 49, ..Usage::default() },
            ] {
                assert!(price.cost(usage) <= worst, "{whole} {usage:?}");
            }
        }
    }
}
