//! How much the features of a text, or of several, weigh.

use std::fmt;

use super::Features;

/// What is free, and what the rest weighs, at most.
struct Weight {
    free: u32,
    each: u32,
    most: u32,
}

const BANNERS: Weight = Weight { free: 0, each: 40, most: 40 };
const FILES: Weight = Weight { free: 1, each: 12, most: 40 };
const HUNKS: Weight = Weight { free: 2, each: 5, most: 25 };
const TREE_LINES: Weight = Weight { free: 6, each: 1, most: 20 };

/// A long file alone weighs less than what is refused.
const MANY_CODE_LINES: (u32, u32) = (400, 20);
const VERY_MANY_CODE_LINES: (u32, u32) = (1200, 15);
const MANY_IMPORTS: (u32, u32) = (40, 10);

/// Spread over several prompts, everything weighs a third, and without end:
/// working on four files in ten minutes is usual, and on twenty it is not.
const SPREAD: u32 = 3;

impl Weight {
    fn of(&self, count: u32) -> u32 {
        self.without_end(count).min(self.most)
    }

    fn without_end(&self, count: u32) -> u32 {
        count.saturating_sub(self.free).saturating_mul(self.each)
    }
}

fn beyond(count: u32, (least, weight): (u32, u32)) -> u32 {
    if count > least { weight } else { 0 }
}

impl Features {
    fn counts(&self) -> [u32; 2] {
        [self.banners.len(), self.files.len()].map(|count| u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// What they weigh in one prompt.
    #[must_use]
    pub fn score(&self) -> u32 {
        let [banners, files] = self.counts();
        BANNERS.of(banners)
            + FILES.of(files)
            + HUNKS.of(self.hunks)
            + TREE_LINES.of(self.tree_lines)
            + beyond(self.code_lines, MANY_CODE_LINES)
            + beyond(self.code_lines, VERY_MANY_CODE_LINES)
            + beyond(self.imports, MANY_IMPORTS)
    }

    /// What they weigh spread over several prompts.
    #[must_use]
    pub fn spread_score(&self) -> u32 {
        let [banners, files] = self.counts();
        let (per_lines, weight) = MANY_CODE_LINES;
        let code = self.code_lines.saturating_mul(weight) / per_lines;
        let whole = BANNERS
            .without_end(banners)
            .saturating_add(FILES.without_end(files))
            .saturating_add(HUNKS.without_end(self.hunks))
            .saturating_add(TREE_LINES.without_end(self.tree_lines))
            .saturating_add(code)
            .saturating_add(beyond(self.imports, MANY_IMPORTS));
        whole / SPREAD
    }
}

/// `14 file headers, 3 hunks, repomix banner`: those that weigh something.
impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [_, files] = self.counts();
        let mut parts = Vec::new();
        for (count, weight, one, many) in [
            (files, &FILES, "file header", "file headers"),
            (self.hunks, &HUNKS, "hunk", "hunks"),
            (self.tree_lines, &TREE_LINES, "line of a file tree", "lines of a file tree"),
        ] {
            if weight.of(count) > 0 {
                parts.push(format!("{count} {}", if count == 1 { one } else { many }));
            }
        }
        parts.extend(self.banners.iter().map(|banner| (*banner).to_owned()));
        if self.code_lines >= MANY_CODE_LINES.0 {
            parts.push(format!("{} lines of code", self.code_lines));
        }
        if self.imports > MANY_IMPORTS.0 {
            parts.push(format!("{} imports", self.imports));
        }
        f.write_str(&parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(files: u64, hunks: u32, tree_lines: u32, code_lines: u32, imports: u32) -> Features {
        let files = (0..files).collect();
        Features { files, hunks, tree_lines, code_lines, imports, ..Features::default() }
    }

    #[test]
    fn each_feature_weighs_something_beyond_what_questions_have() {
        for (found, score, shown) in [
            (features(1, 2, 6, 400, 40), 0, "400 lines of code"),
            (features(2, 0, 0, 0, 0), 12, "2 file headers"),
            (features(14, 3, 0, 0, 0), 45, "14 file headers, 3 hunks"),
            (features(0, 99, 0, 0, 0), 25, "99 hunks"),
            (features(0, 0, 99, 0, 0), 20, "99 lines of a file tree"),
            (features(0, 0, 0, 401, 0), 20, "401 lines of code"),
            // One very long file, and nothing but it.
            (features(1, 0, 0, 9000, 99), 45, "9000 lines of code, 99 imports"),
            (
                Features { banners: ["repomix banner"].into(), ..features(14, 3, 0, 0, 0) },
                85,
                "14 file headers, 3 hunks, repomix banner",
            ),
        ] {
            assert_eq!((found.score(), found.to_string().as_str()), (score, shown));
        }
    }

    #[test]
    fn spread_over_prompts_they_weigh_less_and_without_end() {
        for (found, score) in [
            (features(4, 0, 0, 0, 0), 12),
            (features(14, 0, 0, 0, 0), 52),
            (features(100, 0, 0, 0, 0), 396),
            (features(0, 0, 0, 3000, 0), 50),
            (features(0, 32, 0, 0, 0), 50),
        ] {
            assert_eq!(found.spread_score(), score);
        }
    }
}
