//! The text: where it is found, its symbols, and which parts are held out.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// Stands for every character that is too rare to be learned.
const RARE: char = '\u{FFFD}';

/// Of so many blocks one is held out.
const EVERY: usize = 10;

/// A text and where it came from.
pub struct Source {
    /// What it is called in reports.
    pub name: String,
    /// All of it.
    pub text: String,
}

/// The file at `path`.
pub fn read(path: &Path) -> Result<Source, Box<dyn Error>> {
    let text = fs::read_to_string(path).map_err(|why| format!("{}: {why}", path.display()))?;
    Ok(Source { name: path.display().to_string(), text })
}

/// The release notes of Rust, which come with the documentation of the toolchain.
pub fn release_notes() -> Result<Source, Box<dyn Error>> {
    let rustc = || Command::new("rustc").args(["--print", "sysroot"]).output();
    let advice = "name another text with --text FILE";
    let output = rustc().map_err(|why| format!("rustc does not run ({why}); {advice}"))?;
    let root = PathBuf::from(String::from_utf8(output.stdout)?.trim());
    let path = root.join("share/doc/rust/html/releases.md");
    if !path.is_file() {
        let why = "is not there; `rustup component add rust-docs` brings it, or";
        return Err(format!("{}: {why} {advice}", path.display()).into());
    }
    Ok(Source { name: "the release notes of Rust".into(), ..read(&path)? })
}

/// This library's own documents: a short text that is there wherever the example was built.
pub fn documents() -> Result<Source, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names = ["README.md", "DESIGN.md", "CHANGELOG.md"];
    let texts =
        names.iter().map(|name| Ok(read(&root.join(name))?.text)).collect::<Result<Vec<_>, Box<dyn Error>>>()?;
    Ok(Source { name: format!("this library's {}", names.join(", ")), text: texts.join("\n") })
}

/// A text as numbers, in parts that are learned and parts that are not.
pub struct Corpus {
    /// What each number stands for, in the order of characters.
    pub symbols: Vec<char>,
    /// What is learned: runs of text.
    pub train: Vec<Vec<u32>>,
    /// What is held out.
    pub held_out: Vec<Vec<u32>>,
}

impl Corpus {
    /// Cuts `text` into blocks and holds every tenth out. Characters that are learned from fewer than `least` times become
    /// one symbol.
    pub fn new(text: &str, least: usize) -> Result<Corpus, Box<dyn Error>> {
        let text: Vec<char> = text.chars().collect();
        let block = (text.len() / (4 * EVERY)).clamp(1, 8192);
        let (mut train, mut held_out): (Vec<Vec<char>>, Vec<Vec<char>>) = (vec![vec![]], vec![]);
        for (at, block) in text.chunks(block).enumerate() {
            if at % EVERY == EVERY / 2 {
                held_out.push(block.to_vec());
                train.push(vec![]);
            } else if let Some(run) = train.last_mut() {
                run.extend(block);
            }
        }
        let mut counts: BTreeMap<char, usize> = BTreeMap::new();
        train.iter().flatten().for_each(|symbol| *counts.entry(*symbol).or_insert(0) += 1);
        counts.retain(|_, count| *count >= least);
        counts.insert(RARE, 0);
        if counts.len() < 2 || held_out.is_empty() {
            return Err("the text is too short to learn from".into());
        }
        let symbols: Vec<char> = counts.into_keys().collect();
        let number = |symbol: &char| symbols.binary_search(symbol).or(symbols.binary_search(&RARE)).unwrap_or(0) as u32;
        let numbers = |runs: Vec<Vec<char>>| runs.iter().map(|run| run.iter().map(number).collect()).collect();
        let (train, held_out) = (numbers(train), numbers(held_out));
        Ok(Corpus { symbols, train, held_out })
    }

    /// Characters of all runs.
    pub fn count(runs: &[Vec<u32>]) -> usize {
        runs.iter().map(Vec::len).sum()
    }

    /// `batch` windows of `length` symbols, drawn uniformly from what is learned. They depend on seed and step alone, so
    /// that a run that goes on sees what it would have seen.
    pub fn draw(&self, seed: u64, step: usize, batch: usize, length: usize) -> Result<Vec<u32>, Box<dyn Error>> {
        let places = |run: &Vec<u32>| (run.len() + 1).saturating_sub(length);
        let all: usize = self.train.iter().map(places).sum();
        if all == 0 {
            return Err(format!("no run of the text has {length} characters").into());
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(step as u64);
        let mut windows = Vec::with_capacity(batch * length);
        for _ in 0..batch {
            let mut at = rng.random_range(0..all);
            for run in &self.train {
                if at < places(run) {
                    windows.extend(&run[at..at + length]);
                    break;
                }
                at -= places(run);
            }
        }
        Ok(windows)
    }

    /// What is held out as windows of `length` symbols that follow each other, the first of each the last of the one
    /// before; at most `most`, evenly spread.
    pub fn windows(&self, length: usize, most: usize) -> Vec<&[u32]> {
        let cut = |run: &'_ [u32]| (run.len().saturating_sub(1)) / (length - 1);
        let all: Vec<&[u32]> = self
            .held_out
            .iter()
            .flat_map(|run| (0..cut(run)).map(|at| &run[at * (length - 1)..at * (length - 1) + length]))
            .collect();
        let count = all.len().min(most);
        (0..count).map(|at| all[at * all.len() / count]).collect()
    }

    /// Bits a character of what is held out under the frequencies of what is learned, each counted once more.
    pub fn unigram_bits(&self) -> f64 {
        let mut counts = vec![1.0f64; self.symbols.len()];
        self.train.iter().flatten().for_each(|symbol| counts[*symbol as usize] += 1.0);
        let total: f64 = counts.iter().sum();
        let bits: f64 = self.held_out.iter().flatten().map(|symbol| (total / counts[*symbol as usize]).log2()).sum();
        bits / Corpus::count(&self.held_out) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corpus() -> Corpus {
        let text: String = (0..4000).map(|i| char::from(b'a' + (i * i % 7) as u8)).chain("\u{3b1}".chars()).collect();
        Corpus::new(&text, 3).unwrap()
    }

    #[test]
    fn nothing_is_both_learned_and_held_out() {
        let corpus = corpus();
        assert_eq!(Corpus::count(&corpus.train) + Corpus::count(&corpus.held_out), 4001);
        assert_eq!(corpus.held_out.iter().map(Vec::len).collect::<Vec<_>>(), [100; 4]);
        assert_eq!(corpus.train[0].len(), 500);
        assert_eq!(corpus.symbols, ['a', 'b', 'c', 'e', RARE]);
    }

    #[test]
    fn windows_repeat_and_cover_what_is_held_out() {
        let corpus = corpus();
        let drawn = corpus.draw(1, 5, 3, 20).unwrap();
        assert_eq!(drawn.len(), 60);
        assert_eq!(drawn, corpus.draw(1, 5, 3, 20).unwrap());
        assert_ne!(drawn, corpus.draw(1, 6, 3, 20).unwrap());
        assert!(corpus.draw(1, 5, 3, 5000).is_err());
        let windows = corpus.windows(34, 100);
        assert_eq!(windows.len(), 12);
        assert_eq!(windows[0][33], windows[1][0]);
        assert_eq!(corpus.windows(34, 5).len(), 5);
    }

    #[test]
    fn frequencies_cost_their_entropy() {
        let text: String = "ab".repeat(2000);
        let corpus = Corpus::new(&text, 1).unwrap();
        // The rare symbol, which never comes, costs a little.
        assert!((corpus.unigram_bits() - 1.0).abs() < 1e-3);
        assert!(Corpus::new("", 1).is_err());
    }
}
