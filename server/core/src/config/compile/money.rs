//! Prices and amounts: from decimals to nano-dollars, and what is odd about them.

use super::{Compiler, Place};
use crate::{
    config::raw::{Amount, RawModel, RawTier},
    llm::{
        Api,
        price::{Price, Rates, Tier},
    },
    money::{NanoDollars, PerMillion},
};

/// The dearest tokens cost less, and the cheapest more: what is beyond was written
/// for another number of tokens than a million.
const DEAREST: NanoDollars = NanoDollars::new(1_000 * 1_000_000_000);
const CHEAPEST: NanoDollars = NanoDollars::new(500_000);

/// The four prices of a model or tier, as written.
#[derive(Clone, Copy)]
struct RawRates<'a> {
    input: Option<&'a Amount>,
    output: Option<&'a Amount>,
    cached_input: Option<&'a Amount>,
    cache_write: Option<&'a Amount>,
}

impl Compiler<'_> {
    /// An amount of US dollars.
    pub(super) fn amount(&mut self, place: &Place, raw: Option<&Amount>) -> Option<NanoDollars> {
        self.parsed(place, "invalid_amount", &raw?.0.to_string())
    }

    /// The price list of a model, if it says what input and output cost.
    pub(super) fn price(&mut self, place: &Place, api: Api, raw: &RawModel) -> Option<Price> {
        let rates = RawRates {
            input: raw.input.as_ref(),
            output: raw.output.as_ref(),
            cached_input: raw.cached_input.as_ref(),
            cache_write: raw.cache_write.as_ref(),
        };
        let base = self.rates(place, api, rates);
        let place = place.key("long_context");
        let raw = raw.long_context.iter().flatten().enumerate();
        let tiers = raw.map(|(item, raw)| self.tier(&place.item(item), api, raw)).collect::<Vec<_>>();
        // A list of prices without one of them would charge too little.
        Some(Price::new(base?, tiers.into_iter().collect::<Option<_>>()?))
    }

    fn tier(&mut self, place: &Place, api: Api, raw: &RawTier) -> Option<Tier> {
        let rates = RawRates {
            input: raw.input.as_ref(),
            output: raw.output.as_ref(),
            cached_input: raw.cached_input.as_ref(),
            cache_write: raw.cache_write.as_ref(),
        };
        let rates = self.rates(place, api, rates);
        Some(Tier { above_input_tokens: raw.above_input_tokens?, rates: rates? })
    }

    fn rates(&mut self, place: &Place, api: Api, raw: RawRates<'_>) -> Option<Rates> {
        let mut price = |key, raw| self.per_million(&place.key(key), raw);
        let (input, output) = (price("input", raw.input), price("output", raw.output));
        let (cached, written) =
            (price("cached_input", raw.cached_input), price("cache_write", raw.cache_write));
        let PerMillion(input) = input?;
        let usual_write = match api {
            Api::AnthropicMessages => input.per_mille(1250),
            Api::OpenAiResponses | Api::OpenAiChat => input,
        };
        Some(Rates {
            input: PerMillion(input),
            output: output?,
            cached_input: cached.unwrap_or(PerMillion(input)),
            cache_write: written.unwrap_or(PerMillion(usual_write)),
        })
    }

    fn per_million(&mut self, place: &Place, raw: Option<&Amount>) -> Option<PerMillion> {
        let price = self.amount(place, raw)?;
        let (message, help) = if price > DEAREST {
            (
                format!("{price} per million tokens is more than $1.00 per thousand, which no model costs"),
                "write US dollars per million tokens, as price lists do: `3.00`, not `3000000`",
            )
        } else if price > NanoDollars::ZERO && price < CHEAPEST {
            (
                format!(
                    "{price} per million tokens is less than any model costs: is it the price of one token?"
                ),
                "write US dollars per million tokens: `3.00`, not `0.000003`",
            )
        } else {
            return Some(PerMillion(price));
        };
        self.report.error(place, "implausible_price", message, Some(help.to_owned()));
        None
    }
}
