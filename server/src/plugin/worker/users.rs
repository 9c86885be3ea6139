//! Users for workers, where the server is root: each worker gets one of its own, so
//! that none shares anything with anybody.

use std::{fs, ops::Range};

use rustix::process::geteuid;

/// Numbers that no distribution gives out.
const FREE: Range<u32> = 0x7000_0000..0x7100_0000;

/// Where there are few numbers, as in a container: those for services that need a
/// user for a while.
const SHORT_LIVED: Range<u32> = 61_184..65_520;

/// Users that nobody else is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Users(Range<u32>);

impl Users {
    /// `None` if this process is not root, or has no such users.
    pub(super) fn of_this_process() -> Option<Self> {
        if !geteuid().is_root() {
            return None;
        }
        Self::in_map(&fs::read_to_string("/proc/self/uid_map").ok()?)
    }

    /// The `number`th, and the first again after the last.
    pub(super) fn nth(&self, number: u32) -> u32 {
        self.0.start + number % (self.0.end - self.0.start)
    }

    fn in_map(map: &str) -> Option<Self> {
        [FREE, SHORT_LIVED].into_iter().find(|users| has(map, users)).map(Self)
    }
}

/// Whether a namespace has all these users. A line: the first number inside, the
/// first outside, how many.
fn has(map: &str, users: &Range<u32>) -> bool {
    map.lines().any(|line| {
        let mut numbers = line.split_ascii_whitespace().map(str::parse::<u64>);
        let (Some(Ok(first)), Some(Ok(count))) = (numbers.next(), numbers.nth(1)) else { return false };
        first <= u64::from(users.start) && u64::from(users.end) <= first + count
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_taken_from_what_the_namespace_has() {
        for (map, users) in [
            ("         0          0 4294967295\n", Some(Users(FREE))),
            ("0 100000 65536\n", Some(Users(SHORT_LIVED))),
            ("0 1000 1\n", None),
            ("0 1000 1\n1 100000 65535\n", Some(Users(SHORT_LIVED))),
            ("nonsense", None),
        ] {
            assert_eq!(Users::in_map(map), users, "{map}");
        }
    }

    #[test]
    fn the_first_user_follows_the_last() {
        let users = Users(10..13);
        assert_eq!([0, 1, 2, 3, u32::MAX].map(|number| users.nth(number)), [10, 11, 12, 10, 10]);
    }
}
