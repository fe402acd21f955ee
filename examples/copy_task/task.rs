//! The task: symbols, silence, a sign, and then the symbols again.

use kuramoto::Stream;
use kuramoto::cpu::noise;
use serde::Serialize;

/// The copy task of Hochreiter and Schmidhuber 1997, as Arjovsky, Shah and Bengio 2016 have it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Task {
    /// Symbols of a sequence.
    pub tokens: usize,
    /// Different symbols. One more input is the sign to begin; silence is no input at all.
    pub alphabet: usize,
    /// The longest delay in training.
    pub t_max: usize,
}

/// Sequences of one delay.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// `[tokens][sequences]`, below the alphabet.
    pub symbols: Vec<Vec<u32>>,
    /// Silent steps between the last symbol and the sign.
    pub delay: usize,
}

/// The streams of noise that symbols and delays are drawn from.
const SYMBOLS: u32 = 111;
const DELAYS: u32 = 112;

impl Task {
    /// Numbers that come in at a step.
    pub fn inputs(&self) -> usize {
        self.alphabet + 1
    }

    /// The input upon which the network is to begin.
    pub fn sign(&self) -> u32 {
        self.alphabet as u32
    }

    /// The delay of a training step, 1 to `t_max`.
    pub fn delay(&self, seed: u64, step: u32) -> usize {
        let stream = Stream { seed, step, stream: DELAYS, ..Stream::default() };
        1 + noise::bits(&stream, 1, 1)[0] as usize % self.t_max
    }

    /// `count` sequences; `step` counts batches, so that none comes twice.
    pub fn batch(&self, count: usize, delay: usize, seed: u64, step: u32) -> Batch {
        let stream = Stream { seed, step, stream: SYMBOLS, ..Stream::default() };
        let bits = noise::bits(&stream, count, self.tokens);
        let symbol = |token: usize| bits[token..].iter().step_by(self.tokens).map(|b| b % self.alphabet as u32);
        Batch { symbols: (0..self.tokens).map(|token| symbol(token).collect()).collect(), delay }
    }
}

/// `[rows, width]` with a one in each row where `indices` says.
pub fn one_hot(indices: impl Iterator<Item = u32>, width: usize) -> Vec<f32> {
    let mut data = Vec::new();
    for index in indices {
        let start = data.len();
        data.resize(start + width, 0.0);
        data[start + index as usize] = 1.0;
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: Task = Task { tokens: 3, alphabet: 4, t_max: 5 };

    #[test]
    fn batches_are_drawn_from_their_step_alone() {
        let batch = TASK.batch(50, 2, 7, 9);
        assert_eq!((batch.symbols.len(), batch.symbols[0].len(), batch.delay), (3, 50, 2));
        assert_eq!(batch, TASK.batch(50, 2, 7, 9));
        assert_ne!(batch, TASK.batch(50, 2, 7, 10));
        // Every symbol comes at every place, and more sequences leave the first ones as they are.
        for place in &batch.symbols {
            assert!((0..4).all(|symbol| place.contains(&symbol)) && place.iter().all(|symbol| *symbol < 4));
        }
        let more = TASK.batch(60, 2, 7, 9);
        assert!(more.symbols.iter().zip(&batch.symbols).all(|(more, few)| more[..50] == few[..]));
    }

    #[test]
    fn every_delay_comes() {
        let mut seen = [0; 5];
        (0..200).for_each(|step| seen[TASK.delay(1, step) - 1] += 1);
        assert!(seen.iter().all(|count| *count > 20), "{seen:?}");
    }

    #[test]
    fn one_hot_rows() {
        assert_eq!(one_hot([2, 0].into_iter(), 3), [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
        assert_eq!(TASK.inputs(), 5);
        assert_eq!(TASK.sign(), 4);
    }
}
