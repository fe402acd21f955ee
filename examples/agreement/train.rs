//! One network, trained and judged.

use std::time::Instant;

use kuramoto::model::fixed_query::{Attention, Dropout, FixedQueryConfig, SequenceConfig, SequenceNet};
use kuramoto::model::{Trainer, TrainerOptions};
use kuramoto::{AdamOptions, Context, DType, Result, Stream, Tape, Var};
use serde::Serialize;

use crate::grammar::{Grammar, LENGTH, Sentence, VOCABULARY};

/// Streams of draws.
const DROPOUT: u32 = 100;
/// Sentences that are judged at once.
const JUDGED: usize = 64;

/// How networks are trained; both kinds alike.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub sentences: usize,
    pub epochs: usize,
    pub batch: usize,
    pub rate: f64,
    pub dropout: f32,
    pub n: usize,
    pub power: u32,
    /// Sentences of each test.
    pub test: usize,
    /// Steps between two looks at the tests.
    pub every: usize,
}

impl Plan {
    pub fn steps(&self) -> usize {
        self.epochs * (self.sentences / self.batch).max(1)
    }
}

/// Which attention.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Oscillators,
    Softmax,
}

/// A look at the tests: fractions of right answers.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Look {
    pub step: usize,
    pub loss: f64,
    pub easy: f64,
    pub hard: f64,
}

/// What became of one network.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    pub kind: Kind,
    pub seed: u64,
    pub parameters: usize,
    pub seconds: f64,
    pub looks: Vec<Look>,
}

impl Outcome {
    pub fn last(&self) -> Look {
        self.looks.last().copied().unwrap_or(Look { step: 0, loss: f64::NAN, easy: f64::NAN, hard: f64::NAN })
    }
}

/// A trained network.
pub struct Trained<'a> {
    pub outcome: Outcome,
    pub net: SequenceNet,
    pub trainer: Trainer,
    pub context: &'a Context,
}

/// Sentences to learn from and to be judged by: the same for every network.
pub struct Corpus {
    pub train: Vec<Sentence>,
    pub easy: Vec<Sentence>,
    pub hard: Vec<Sentence>,
}

impl Corpus {
    pub fn new(plan: &Plan, seed: u64) -> Corpus {
        let mut grammar = Grammar::new(seed);
        let train = (0..plan.sentences).map(|_| grammar.sentence()).collect();
        Corpus { train, easy: grammar.sorted(plan.test, false), hard: grammar.sorted(plan.test, true) }
    }
}

fn network(kind: Kind, plan: &Plan) -> Result<SequenceNet> {
    let channels = 32;
    let attention = match kind {
        Kind::Softmax => Attention::Softmax,
        Kind::Oscillators => Attention::FixedQuery(FixedQueryConfig {
            power: plan.power,
            ..FixedQueryConfig::new(channels, 1, plan.n, LENGTH)
        }),
    };
    SequenceNet::new(SequenceConfig {
        vocabulary: VOCABULARY,
        classes: 2,
        channels,
        heads: 1,
        layers: 1,
        hidden: 64,
        positions: LENGTH,
        causal: true,
        last: true,
        attention,
    })
}

fn place<'s>(tape: &mut Tape, batch: impl ExactSizeIterator<Item = &'s Sentence> + Clone) -> Result<[Var; 2]> {
    let count = batch.len();
    let tokens: Vec<u32> = batch.clone().flat_map(|sentence| sentence.tokens.iter().copied()).collect();
    let numbers: Vec<u32> = batch.map(|sentence| sentence.number).collect();
    let tokens = tape.upload(&tokens, &[count, LENGTH], DType::U32)?;
    let numbers = tape.upload(&numbers, &[count], DType::U32)?;
    Ok([tape.constant(tokens), tape.constant(numbers)])
}

/// Trains a network of `kind` from `seed`; `seen` hears of each look.
pub fn train<'a>(
    context: &'a Context,
    plan: &Plan,
    corpus: &Corpus,
    (kind, seed): (Kind, u64),
    mut seen: impl FnMut(Look),
) -> Result<Trained<'a>> {
    let net = network(kind, plan)?;
    let parameters = net.parameters(seed)?;
    let count = parameters.iter().map(|p| p.values.len()).sum();
    // The published optimiser, with the rate falling along a half cosine and the gradient's norm clipped.
    let options = TrainerOptions::new(AdamOptions::decoupled(plan.rate, 1e-4).clip(1.0));
    let trainer = Trainer::new(&mut Tape::new(context), &parameters, options)?;
    let outcome = Outcome { kind, seed, parameters: count, seconds: 0.0, looks: vec![] };
    let mut trained = Trained { outcome, net, trainer, context };
    let mut grammar = Grammar::new(seed);
    let (started, steps) = (Instant::now(), plan.steps());
    let mut order = vec![];
    for step in 0..steps {
        if order.len() < plan.batch {
            order = grammar.order(corpus.train.len());
        }
        let chosen = order.split_off(order.len() - plan.batch.min(order.len()));
        let progress = step as f64 / steps as f64;
        trained.trainer.options().adam.lr = plan.rate * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
        let loss = trained.step(
            plan,
            chosen.iter().map(|at| &corpus.train[*at]),
            step,
            (step + 1) % plan.every == 0 || step + 1 == steps,
        )?;
        if let Some(loss) = loss {
            let (easy, hard) = (trained.judge(&corpus.easy)?, trained.judge(&corpus.hard)?);
            let look = Look { step: step + 1, loss, easy, hard };
            trained.outcome.looks.push(look);
            seen(look);
        }
    }
    trained.outcome.seconds = started.elapsed().as_secs_f64();
    Ok(trained)
}

impl Trained<'_> {
    /// One step of the optimiser; the loss if it is asked for.
    fn step<'s>(
        &mut self,
        plan: &Plan,
        batch: impl ExactSizeIterator<Item = &'s Sentence> + Clone,
        step: usize,
        read: bool,
    ) -> Result<Option<f64>> {
        let mut tape = Tape::new(self.context);
        let bound = self.trainer.bind(&mut tape)?;
        let [tokens, numbers] = place(&mut tape, batch)?;
        let stream = Stream { seed: self.outcome.seed, first_sample: 0, step: step as u32, stream: DROPOUT };
        let dropout = Dropout { rate: plan.dropout, stream };
        let dropout = Some(&dropout).filter(|_| plan.dropout > 0.0);
        let found = self.net.forward(&mut tape, &bound, tokens, None, dropout)?;
        let loss = tape.cross_entropy(found.logits, numbers, 1)?;
        let gradients = tape.backward(loss)?;
        self.trainer.step(&mut tape, &bound, &gradients, &[])?;
        if !read {
            tape.submit()?;
            return Ok(None);
        }
        Ok(tape.read(loss)?.first().copied())
    }

    /// The fraction of right answers.
    fn judge(&mut self, sentences: &[Sentence]) -> Result<f64> {
        let mut right = 0;
        for batch in sentences.chunks(JUDGED) {
            let mut tape = Tape::new(self.context);
            let bound = self.trainer.bind(&mut tape)?;
            let [tokens, _] = place(&mut tape, batch.iter())?;
            let found = self.net.forward(&mut tape, &bound, tokens, None, None)?;
            let logits = tape.read(found.logits)?;
            let answers = logits.chunks_exact(2).map(|logits| u32::from(logits[1] > logits[0]));
            right += answers.zip(batch).filter(|(answer, sentence)| *answer == sentence.number).count();
        }
        Ok(right as f64 / sentences.len().max(1) as f64)
    }

    /// For the last token of a sentence: the direction of its oscillator, the anchors, and what it reads of each position.
    pub fn phases(&mut self, sentence: &Sentence) -> Result<Option<Phases>> {
        let mut tape = Tape::new(self.context);
        let bound = self.trainer.bind(&mut tape)?;
        let [tokens, _] = place(&mut tape, std::iter::once(sentence))?;
        let found = self.net.forward(&mut tape, &bound, tokens, None, None)?;
        let Some(attended) = found.attended.first() else { return Ok(None) };
        let anchors = bound.get("layers.0.attn.anchor")?;
        let options = kuramoto::AnchorReadout { causal: true, ..Default::default() };
        let weights = kuramoto::model::fixed_query::weights(&mut tape, attended.equilibrium, anchors, None, &options)?;
        let weights = tape.backend().read(&weights)?;
        let states = tape.read(attended.equilibrium)?;
        let pair = |all: &[f64], at: usize| [all[2 * at], all[2 * at + 1]];
        let anchors = tape.read(anchors)?;
        Ok(Some(Phases {
            states: (0..LENGTH).map(|at| pair(&states, at)).collect(),
            anchors: (0..LENGTH).map(|at| pair(&anchors, at)).collect(),
            weights: weights[(LENGTH - 1) * LENGTH..].to_vec(),
        }))
    }
}

/// Oscillators of two components over one sentence.
pub struct Phases {
    /// The equilibrium of each token's oscillator.
    pub states: Vec<[f64; 2]>,
    /// The anchor of each position.
    pub anchors: Vec<[f64; 2]>,
    /// What the last token reads of each position.
    pub weights: Vec<f64>,
}
