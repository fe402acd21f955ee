//! Bracket strings of two kinds nested up to three deep, Dyck-(2,3), and what may follow each of their beginnings.

use rand::{Rng, RngExt};

/// Kinds of brackets.
pub const KINDS: usize = 2;

/// How many brackets may be open.
pub const DEPTH: usize = 3;

/// Token `k` opens a bracket of kind `k`, token `KINDS + k` closes one.
pub const TOKENS: usize = 2 * KINDS;

/// What may follow: 0 any opening bracket alone, `1 + k` any opening one and the closing one of kind `k`,
/// `1 + KINDS + k` that closing one alone.
pub const CLASSES: usize = 1 + 2 * KINDS;

/// Beginnings of bracket strings, all of one length.
pub struct Strings {
    pub count: usize,
    pub length: usize,
    /// `[count, length]`.
    pub tokens: Vec<u32>,
    /// `[count, length]`: what may follow each token.
    pub labels: Vec<u32>,
}

impl Strings {
    /// Draws strings token by token: where both may follow, an opening bracket is as likely as the closing one.
    pub fn draw(rng: &mut impl Rng, count: usize, length: usize) -> Strings {
        let (mut tokens, mut labels) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let mut open: Vec<usize> = Vec::new();
            for _ in 0..length {
                let opens = open.is_empty() || (open.len() < DEPTH && rng.random_bool(0.5));
                if opens {
                    open.push(rng.random_range(0..KINDS));
                    tokens.push(open[open.len() - 1] as u32);
                } else {
                    let kind = open.pop().unwrap_or_default();
                    tokens.push((KINDS + kind) as u32);
                }
                labels.push(class(&open));
            }
        }
        Strings { count, length, tokens, labels }
    }

    /// Token or label `t` of every string.
    pub fn column(&self, of: &[u32], t: usize) -> Vec<u32> {
        (0..self.count).map(|b| of[b * self.length + t]).collect()
    }

    /// The largest share of one class among the labels: what a guess that looks at nothing gets right.
    pub fn guess(&self) -> f64 {
        let count = |class: usize| self.labels.iter().filter(|label| **label as usize == class).count();
        (0..CLASSES).map(count).max().unwrap_or_default() as f64 / self.labels.len().max(1) as f64
    }
}

fn class(open: &[usize]) -> u32 {
    let full = if open.len() == DEPTH { KINDS } else { 0 };
    open.last().map_or(0, |kind| 1 + full + kind) as u32
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;

    use super::*;

    #[test]
    fn strings_nest_and_labels_say_what_may_follow() {
        let strings = Strings::draw(&mut ChaCha8Rng::seed_from_u64(1), 50, 60);
        let mut seen = [false; CLASSES];
        for b in 0..50 {
            let mut open = Vec::new();
            // What the label before this token allowed.
            let mut before = 0;
            for t in 0..60 {
                let at = b * 60 + t;
                let token = strings.tokens[at] as usize;
                assert!(token < TOKENS);
                if token < KINDS {
                    assert!(before <= KINDS, "an opening bracket where none may follow");
                    open.push(token);
                } else {
                    assert!(before == token - KINDS + 1 || before == 1 + token, "a closing bracket of another kind");
                    assert_eq!(open.pop(), Some(token - KINDS));
                }
                assert!(open.len() <= DEPTH);
                before = strings.labels[at] as usize;
                seen[before] = true;
            }
        }
        assert_eq!(seen, [true; CLASSES]);
        assert!((0.2..0.5).contains(&strings.guess()), "{}", strings.guess());
        assert_eq!(strings.column(&strings.tokens, 3)[2], strings.tokens[2 * 60 + 3]);
    }
}
