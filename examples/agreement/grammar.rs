//! Sentences whose verb is missing: which number must it have? Between subject and verb stand other nouns, some of the
//! other number.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

const NOUNS: [[&str; 2]; 16] = [
    ["key", "keys"],
    ["cabinet", "cabinets"],
    ["author", "authors"],
    ["book", "books"],
    ["pilot", "pilots"],
    ["senator", "senators"],
    ["garden", "gardens"],
    ["dog", "dogs"],
    ["teacher", "teachers"],
    ["river", "rivers"],
    ["window", "windows"],
    ["farmer", "farmers"],
    ["clock", "clocks"],
    ["painter", "painters"],
    ["tower", "towers"],
    ["child", "children"],
];
const VERBS: [[&str; 2]; 6] = [
    ["sees", "see"],
    ["likes", "like"],
    ["knows", "know"],
    ["finds", "find"],
    ["follows", "follow"],
    ["hears", "hear"],
];
const PREPOSITIONS: [&str; 6] = ["of", "near", "behind", "with", "beside", "above"];
/// Padding in front, the article, the relative pronoun, the comma after an opening, the place of the verb.
const OTHERS: [&str; 5] = ["_", "the", "that", ",", "?"];
const PAD: usize = 0;

/// Most modifiers of a subject.
const MODIFIERS: usize = 2;

/// Tokens of every sentence, the verb's place last: an opening of 4, a subject of 2, modifiers of up to 4.
pub const LENGTH: usize = 4 + 2 + 4 * MODIFIERS + 1;

/// Words that there are.
pub const VOCABULARY: usize = 2 * (NOUNS.len() + VERBS.len()) + PREPOSITIONS.len() + OTHERS.len();

/// A sentence up to its verb.
#[derive(Clone, Debug)]
pub struct Sentence {
    /// [`LENGTH`] words.
    pub tokens: Vec<u32>,
    /// The verb's number: 0 singular, 1 plural.
    pub number: u32,
    /// Whether a noun between subject and verb has the other number.
    pub hard: bool,
}

/// A word.
pub fn word(token: u32) -> &'static str {
    let table = NOUNS.iter().chain(&VERBS).flatten().chain(&PREPOSITIONS).chain(&OTHERS);
    table.copied().nth(token as usize).unwrap_or("?")
}

fn noun(which: usize, number: usize) -> usize {
    2 * which + number
}

fn verb(which: usize, number: usize) -> usize {
    2 * (NOUNS.len() + which) + number
}

fn preposition(which: usize) -> usize {
    2 * (NOUNS.len() + VERBS.len()) + which
}

fn other(which: usize) -> usize {
    preposition(PREPOSITIONS.len()) + which
}

/// Draws sentences.
pub struct Grammar {
    rng: ChaCha8Rng,
}

impl Grammar {
    pub fn new(seed: u64) -> Grammar {
        Grammar { rng: ChaCha8Rng::seed_from_u64(seed) }
    }

    fn below(&mut self, most: usize) -> usize {
        self.rng.random_range(0..most)
    }

    fn chance(&mut self, probability: f64) -> bool {
        self.rng.random_bool(probability)
    }

    /// `preposition the noun`, or `that the noun verb`, whose own verb agrees with its noun; returns the noun's number.
    fn modifier(&mut self, words: &mut Vec<usize>) -> usize {
        let number = self.below(2);
        let noun = noun(self.below(NOUNS.len()), number);
        if self.chance(0.65) {
            words.extend([preposition(self.below(PREPOSITIONS.len())), other(1), noun]);
        } else {
            words.extend([other(2), other(1), noun, verb(self.below(VERBS.len()), number)]);
        }
        number
    }

    /// A sentence. Three in ten open with a noun that is not the subject; a third have no noun between.
    pub fn sentence(&mut self) -> Sentence {
        let mut words = vec![];
        if self.chance(0.3) {
            let noun = noun(self.below(NOUNS.len()), self.below(2));
            words.extend([preposition(self.below(PREPOSITIONS.len())), other(1), noun, other(3)]);
        }
        let number = self.below(2);
        words.extend([other(1), noun(self.below(NOUNS.len()), number)]);
        let mut hard = false;
        for _ in 0..self.below(MODIFIERS + 1) {
            hard |= self.modifier(&mut words) != number;
        }
        words.push(other(4));
        let mut tokens = vec![other(PAD); LENGTH - words.len()];
        tokens.append(&mut words);
        Sentence { tokens: tokens.into_iter().map(|word| word as u32).collect(), number: number as u32, hard }
    }

    /// As many, all hard or all easy.
    pub fn sorted(&mut self, count: usize, hard: bool) -> Vec<Sentence> {
        std::iter::repeat_with(|| self.sentence()).filter(|sentence| sentence.hard == hard).take(count).collect()
    }

    /// The order of another round through `count` sentences.
    pub fn order(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for at in (1..count).rev() {
            order.swap(at, self.rng.random_range(0..=at));
        }
        order
    }
}

/// "the keys of the cabinet ?" without the padding.
pub fn text(sentence: &Sentence) -> String {
    let words: Vec<&str> =
        sentence.tokens.iter().map(|token| word(*token)).filter(|word| *word != OTHERS[PAD]).collect();
    words.join(" ")
}
