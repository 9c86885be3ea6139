//! Chance with a seed, and what it chooses.

use super::model::{Agent, Broken, Config, KEEPER, Model, Step, Tools};

/// SplitMix64: the same seed, the same choices, on every machine.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn throw(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (value ^ value >> 31) % below
    }

    pub(super) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[usize::try_from(self.throw(of.len() as u64)).unwrap()]
    }

    fn tools(&mut self) -> Tools {
        Tools(u8::try_from(self.throw(4)).unwrap())
    }

    /// The next step. `number` is in whatever must be new.
    pub(super) fn step(&mut self, model: &Model, number: u64) -> Step {
        match self.throw(20) {
            0..=6 => Step::Edit(self.edited(&model.disk, number)),
            7..=10 => Step::Break(self.broken(), number),
            11..=12 => self.guest(model, number),
            13..=14 => Step::Secret(number),
            15 => Step::Release(model.installed + 1),
            16 => Step::Spoil(number),
            17..=18 => self.rollback(model, number),
            _ if model.broken.is_some() && !model.is_pinned() => Step::Edit(self.edited(&model.disk, number)),
            _ => self.pick(&[Step::Reload, Step::Hangup]).clone(),
        }
    }

    /// What else a configuration could say: grants, tokens, and who is there.
    fn edited(&mut self, config: &Config, number: u64) -> Config {
        let mut config = Config { edit: number, ..config.clone() };
        let names: Vec<_> = config.agents.keys().cloned().collect();
        for name in names {
            let agent = config.agents.get_mut(&name).unwrap();
            match self.throw(4) {
                0 => agent.tools = self.tools(),
                1 => agent.token = number,
                2 if name != KEEPER => drop(config.agents.remove(&name)),
                _ => {}
            }
        }
        for name in ["ada", "ben", "cyd"] {
            if self.throw(2) == 0 {
                let new = Agent { token: number, tools: self.tools() };
                config.agents.entry(name.to_owned()).or_insert(new);
            }
        }
        config
    }

    fn broken(&mut self) -> Broken {
        let cut = Broken::Cut(self.throw(1000));
        *self.pick(&[
            Broken::Yaml,
            Broken::Tenant,
            Broken::Empty,
            cut,
            cut,
            Broken::StateDir,
            Broken::UnknownKey,
        ])
    }

    fn guest(&mut self, model: &Model, number: u64) -> Step {
        let name = (*self.pick(&["guest-one", "guest-two"])).to_owned();
        let is_there = model.disk.guests.contains_key(&name);
        let agent = (!is_there || self.throw(2) == 0).then(|| Agent { token: number, tools: self.tools() });
        Step::Guest(name, agent)
    }

    fn rollback(&mut self, model: &Model, number: u64) -> Step {
        if model.kept.len() < 2 {
            return Step::Secret(number);
        }
        let to = model.kept[usize::try_from(self.throw(model.kept.len() as u64)).unwrap()].0;
        Step::Rollback((self.throw(2) == 0).then_some(to))
    }
}
