//! Whatever is done in whatever order, the sums are right.

use std::collections::BTreeMap;

use super::*;
use crate::budget::books::Outcome;

/// Small numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) % sides
    }
}

const AGENTS: [&str; 2] = ["laptop", "other"];

/// What should be in the books.
#[derive(Default)]
struct Model {
    spent: i64,
    /// By name: whose, how much.
    open: BTreeMap<ChargeId, i64>,
    over: Vec<ChargeId>,
}

#[tokio::test]
async fn spent_and_reserved_never_pass_a_strict_limit_and_no_order_of_things_breaks_the_sums() {
    for seed in 1..=5 {
        run(seed).await;
    }
}

async fn run(seed: u64) {
    let mut dice = Dice(seed * 0x9e37_79b9);
    let mut world = World::new("0.00001");
    world.tenant = budget("0.000015");
    let mut models: BTreeMap<&str, Model> = AGENTS.map(|agent| (agent, Model::default())).into();
    for step in 0..200 {
        let agent = AGENTS[usize::from(dice.roll(2) == 0)];
        match dice.roll(10) {
            0..5 => reserve(&world, agent, &mut models, dice.roll(4000)).await,
            5..8 => settle(&world, models.get_mut(agent).unwrap(), &mut dice).await,
            8 => repeat(&world, models.get_mut(agent).unwrap(), &mut dice).await,
            _ => {
                world = world.reopened();
                // What was open is nobody's now, counts as spent, and is released.
                world.ledger.release(None).await.unwrap();
                for model in models.values_mut() {
                    model.over.extend(std::mem::take(&mut model.open).into_keys());
                }
            }
        }
        check(&world, &models, &format!("seed {seed}, step {step}"));
    }
}

async fn reserve(world: &World, agent: &str, models: &mut BTreeMap<&str, Model>, nanos: u64) {
    let amount = i64::try_from(nanos).unwrap();
    let ask = Ask { worst: NanoDollars::new(amount), ..world.ask(agent, "0") };
    let all: i64 = models.values().map(|it| it.spent + it.open.values().sum::<i64>()).sum();
    let model = models.get_mut(agent).unwrap();
    let own = model.spent + model.open.values().sum::<i64>();
    let fits = own + amount <= 10_000 && all + amount <= 15_000;
    match world.ledger.reserve(ask, Duration::ZERO).await {
        Ok(mut reservation) => {
            assert!(fits);
            model.open.insert(reservation.id().clone(), amount);
            reservation.forget();
        }
        Err(_) => assert!(!fits),
    }
}

async fn settle(world: &World, model: &mut Model, dice: &mut Dice) {
    let Some((id, held)) = model.open.pop_first() else { return };
    let cost = i64::try_from(dice.roll(u64::try_from(held).unwrap() + 1)).unwrap();
    let (outcome, charged) = match dice.roll(3) {
        0 => (Outcome::Nothing, 0),
        1 => (Outcome::Unknown, held),
        _ => (Outcome::Cost(NanoDollars::new(cost)), cost),
    };
    write(world, &id, outcome).await;
    model.spent += charged;
    model.over.push(id);
}

/// Whatever is said of a charge that is over, nothing changes.
async fn repeat(world: &World, model: &mut Model, dice: &mut Dice) {
    let Some(id) = model.over.first() else { return };
    let outcome = match dice.roll(3) {
        0 => Outcome::Nothing,
        1 => Outcome::Unknown,
        _ => Outcome::Cost(NanoDollars::new(1)),
    };
    write(world, id, outcome).await;
    let ask = Ask { id: id.clone(), ..world.ask("laptop", "0") };
    assert_eq!(world.ledger.reserve(ask, Duration::ZERO).await.unwrap_err(), NoMoney::Short(Vec::new()));
}

async fn write(world: &World, id: &ChargeId, outcome: Outcome) {
    let (done, written) = oneshot::channel();
    world.ledger.order(Order::Settle { id: id.clone(), outcome, done: Some(done) }).unwrap();
    written.await.unwrap();
}

fn check(world: &World, models: &BTreeMap<&str, Model>, when: &str) {
    let mut all = (0, 0);
    for (agent, model) in models {
        let expected = (model.spent, model.open.values().sum());
        let [day, month, tenant_day, _] =
            world.ledger.balances(world.scopes(agent)).unwrap().try_into().unwrap();
        for balance in [day, month] {
            assert_eq!(sums(&balance), expected, "{when}: {agent}");
        }
        assert!(expected.0 + expected.1 <= 10_000, "{when}");
        all = (all.0 + expected.0, all.1 + expected.1);
        if agent == models.keys().next_back().unwrap() {
            assert_eq!(sums(&tenant_day), all, "{when}: the tenant");
            assert!(all.0 + all.1 <= 15_000, "{when}");
        }
    }
}

fn sums(balance: &Balance) -> (i64, i64) {
    (balance.standing.spent.nanos(), balance.standing.reserved.nanos())
}
