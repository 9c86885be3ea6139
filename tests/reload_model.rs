//! Edits by chance, right and wrong, against a model that knows what must be in
//! force after each. Clients see that it is, and that nothing else is.
//!
//! `RELOAD_ROUNDS` and `RELOAD_SEED` say how many there are, and which.

use std::{
    env,
    io::{self, Write},
    thread,
};

use dice::Dice;
use model::{Agent, Broken, Config, Effect, KEEPER, Model, Step, Tools};
use world::{Push, World};

mod dice;
mod model;
mod world;

/// How many servers run at once, with different edits.
const WORLDS: u64 = 3;

#[test]
fn what_is_in_force_is_what_the_files_and_orders_say() {
    let number = |name, default: u64| env::var(name).map_or(default, |text| text.parse().unwrap());
    let (rounds, seed) = (number("RELOAD_ROUNDS", 60), number("RELOAD_SEED", 1));
    let worlds: Vec<_> = (0..WORLDS)
        .map(|world| {
            thread::spawn(move || run(seed.wrapping_mul(WORLDS).wrapping_add(world), rounds / WORLDS))
        })
        .collect();
    let failed = worlds.into_iter().filter_map(|world| world.join().err()).count();
    assert_eq!(failed, 0, "again with RELOAD_SEED={seed} RELOAD_ROUNDS={rounds}");
}

/// What was done, which a run that fails prints.
struct Steps {
    seed: u64,
    taken: Vec<(Step, Push, Effect)>,
}

impl Drop for Steps {
    fn drop(&mut self) {
        if thread::panicking() {
            let mut stderr = io::stderr().lock();
            let _ = writeln!(stderr, "failed with the world's seed {}, after these steps:", self.seed);
            for (number, step) in (1..).zip(&self.taken) {
                let _ = writeln!(stderr, "{number:5} {step:?}");
            }
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn run(seed: u64, rounds: u64) {
    let mut dice = Dice::new(seed);
    let agent = |tools| Agent { token: 0, tools: Tools(tools) };
    let agents = [("ada", agent(1)), ("ben", agent(2)), (KEEPER, agent(3))];
    let agents = agents.map(|(name, agent)| (name.to_owned(), agent)).into();
    let mut model = Model::new(Config { edit: 0, agents, guests: [].into() });
    let mut world = World::start(&model).await;
    let mut steps = Steps { seed, taken: Vec::new() };
    world.prove(&model, &mut dice).await;
    for number in 1..=rounds {
        let step = dice.step(&model, number);
        let effect = model.take(&step);
        let push = push(&mut dice, &step, effect);
        steps.taken.push((step.clone(), push, effect));
        world.take(&step, push, effect, &model).await;
        world.prove(&model, &mut dice).await;
    }
}

fn push(dice: &mut Dice, step: &Step, effect: Effect) -> Push {
    let of_files = matches!(step, Step::Edit(_) | Step::Break(..) | Step::Guest(..) | Step::Secret(_));
    if !of_files || effect == Effect::Nothing {
        return Push::None;
    }
    match (step, dice.throw(8)) {
        // It takes the server three seconds to believe that it is no half.
        (Step::Break(Broken::Cut(_), _) | Step::Secret(_), 1..=2) | (_, 3..=5) => Push::Order,
        (_, 6..=7) => Push::Signal,
        _ => Push::None,
    }
}
