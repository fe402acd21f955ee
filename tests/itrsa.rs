//! Iterated self-attention, the baseline of the Sudoku experiments.

use kuramoto::cpu::gelu;
use kuramoto::model::akorn::{Itrsa, ItrsaConfig, Run};
use kuramoto::model::{Parameters, Role, Trainer, TrainerOptions};
use kuramoto::{AdamOptions, ErrorKind, Result, Storage, Tape};

const PUZZLE: [u32; 16] = [1, 0, 0, 4, 0, 4, 1, 0, 0, 1, 4, 0, 4, 0, 0, 1];
const SOLUTION: [u32; 16] = [1, 2, 3, 4, 3, 4, 1, 2, 2, 1, 4, 3, 4, 3, 2, 1];

fn small(blocks: usize) -> Result<Itrsa> {
    Itrsa::new(ItrsaConfig { side: 4, channels: 8, heads: 2, blocks })
}

fn logits(tape: &mut Tape, net: &Itrsa, parameters: &Parameters, puzzles: &[u32], steps: usize) -> Result<Vec<f64>> {
    let bound = parameters.place(tape)?.bind(tape);
    let logits = net.forward(tape, &bound, puzzles, &Run::new(steps))?;
    tape.read(logits)
}

/// The formulas written out once more, with loops: logits `[digits, cells]` of one board.
fn by_hand(parameters: &Parameters, puzzle: &[u32], steps: usize) -> Vec<f64> {
    let (channels, heads) = (8, 2);
    let value = |name: &str| -> Vec<f64> {
        parameters.get(name).unwrap().values.iter().map(|value| f64::from(*value)).collect()
    };
    let affine = |name: &str, x: &[f64]| -> Vec<f64> {
        let (weight, bias) = (value(&format!("{name}.weight")), value(&format!("{name}.bias")));
        weight
            .chunks(x.len())
            .zip(bias)
            .map(|(row, b)| b + row.iter().zip(x).map(|(w, x)| w * x).sum::<f64>())
            .collect()
    };
    let norm = |name: &str, x: &[f64]| -> Vec<f64> {
        let (weight, bias) = (value(&format!("{name}.weight")), value(&format!("{name}.bias")));
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / x.len() as f64;
        let scale = 1.0 / (variance + 1e-5).sqrt();
        x.iter().zip(weight.iter().zip(&bias)).map(|(x, (w, b))| (x - mean) * scale * w + b).collect()
    };
    let (digits, positions) = (value("embedding.weight"), value("positions.weight"));
    let start = puzzle.iter().enumerate().map(|(cell, digit)| -> Vec<f64> {
        (0..channels).map(|c| digits[*digit as usize * channels + c] + positions[cell * channels + c]).collect()
    });
    let mut x: Vec<Vec<f64>> = start.collect();
    for _ in 0..steps {
        let qkv: Vec<Vec<f64>> =
            x.iter().map(|x| affine("blocks.0.attention.W_qkv", &norm("blocks.0.attention.norm", x))).collect();
        let mut mixed = vec![vec![0.0; channels]; x.len()];
        for head in 0..heads {
            // Channels of a head lie `heads` apart.
            let of: Vec<usize> = (0..channels / heads).map(|c| c * heads + head).collect();
            for (query, out) in qkv.iter().zip(&mut mixed) {
                let score = |key: &Vec<f64>| {
                    let dot = of.iter().map(|c| query[*c] * key[channels + c]).sum::<f64>();
                    (dot / (of.len() as f64).sqrt()).exp()
                };
                let scores: Vec<f64> = qkv.iter().map(score).collect();
                let total: f64 = scores.iter().sum();
                for c in &of {
                    let sum = qkv.iter().zip(&scores).map(|(key, score)| score * key[2 * channels + c]).sum::<f64>();
                    out[*c] = sum / total;
                }
            }
        }
        for (x, mixed) in x.iter_mut().zip(&mixed) {
            let change = affine("blocks.0.attention.W_o", mixed);
            x.iter_mut().zip(change).for_each(|(x, change)| *x += change);
        }
    }
    let cells = x.len();
    let mut logits = vec![0.0; 4 * cells];
    for (cell, x) in x.iter_mut().enumerate() {
        let hidden = affine("blocks.0.mlp.0", &norm("blocks.0.mlp.norm", x));
        let change = affine("blocks.0.mlp.1", &gelu::forward(&hidden));
        x.iter_mut().zip(change).for_each(|(x, change)| *x += change);
        for (digit, logit) in affine("out", &norm("out.norm", x)).into_iter().enumerate() {
            logits[digit * cells + cell] = logit;
        }
    }
    logits
}

#[test]
fn logits_are_those_of_the_formulas() -> Result<()> {
    let net = small(1)?;
    // Weights and biases of norms other than one and zero.
    let mut parameters = net.parameters(3)?;
    let norms: Vec<String> = parameters.iter().map(|p| p.name.clone()).filter(|name| name.contains("norm")).collect();
    for name in norms {
        let values: Vec<f32> = (0..8).map(|c| 0.5 + 0.25 * c as f32).collect();
        parameters.set(&name, &values)?;
    }
    for steps in [0, 1, 3] {
        let got = logits(&mut Tape::reference(), &net, &parameters, &PUZZLE, steps)?;
        let wanted = by_hand(&parameters, &PUZZLE, steps);
        assert_eq!(got.len(), wanted.len());
        for (got, wanted) in got.iter().zip(&wanted) {
            // The reference takes the epsilon of norms in f32.
            approx::assert_relative_eq!(got, wanted, max_relative = 1e-9, epsilon = 1e-9);
        }
    }
    Ok(())
}

#[test]
fn gradients_flow_to_every_learned_parameter_and_do_not_depend_on_storage() -> Result<()> {
    let net = small(2)?;
    let gradients = |storage: Storage| -> Result<Vec<Vec<f64>>> {
        let mut tape = Tape::reference();
        let parameters = net.parameters(1)?;
        assert!(parameters.iter().all(|parameter| parameter.role == Role::Learned));
        let bound = parameters.place(&mut tape)?.bind(&mut tape);
        let logits = net.forward(&mut tape, &bound, &PUZZLE, &Run::new(3).storage(storage))?;
        let loss = net.loss(&mut tape, logits, &SOLUTION)?;
        let gradients = tape.backward(loss)?;
        parameters.iter().map(|parameter| gradients.read(&mut tape, bound.get(&parameter.name)?)).collect()
    };
    let all = gradients(Storage::Everything)?;
    for (parameter, gradient) in net.parameters(1)?.iter().zip(&all) {
        assert!(gradient.iter().any(|value| value.abs() > 1e-9), "{}", parameter.name);
    }
    // Sums over the rounds are added in another order.
    for (again, first) in gradients(Storage::Every(2))?.iter().flatten().zip(all.iter().flatten()) {
        approx::assert_abs_diff_eq!(again, first, epsilon = 1e-14);
    }
    Ok(())
}

#[test]
fn training_learns_a_board_by_heart() -> Result<()> {
    let net = small(1)?;
    let options = TrainerOptions::new(AdamOptions::new(1e-2).clip(1.0));
    let mut trainer = Trainer::new(&mut Tape::reference(), &net.parameters(1)?, options)?;
    let mut losses = Vec::new();
    for _ in 0..30 {
        let mut tape = Tape::reference();
        let bound = trainer.bind(&mut tape)?;
        let logits = net.forward(&mut tape, &bound, &PUZZLE, &Run::new(2))?;
        let loss = net.loss(&mut tape, logits, &SOLUTION)?;
        let gradients = tape.backward(loss)?;
        trainer.step(&mut tape, &bound, &gradients, &[])?;
        losses.push(tape.read(loss)?[0]);
    }
    assert!(losses[0] > 1.0 && losses[29] < 0.1 * losses[0], "{losses:?}");
    Ok(())
}

#[test]
fn boards_of_a_batch_do_not_meet() -> Result<()> {
    let net = small(1)?;
    let parameters = net.parameters(2)?;
    let other: Vec<u32> = PUZZLE.iter().map(|digit| (digit + 1) % 5).collect();
    let tape = &mut Tape::reference();
    let one = logits(tape, &net, &parameters, &PUZZLE, 2)?;
    let two = logits(tape, &net, &parameters, &[&PUZZLE[..], &other].concat(), 2)?;
    assert_eq!(two.len(), 2 * one.len());
    assert_eq!(two[..one.len()], one[..]);
    assert_ne!(two[one.len()..], one[..]);
    Ok(())
}

#[test]
fn the_published_baseline_has_as_many_parameters_as_its_layers() -> Result<()> {
    // Embedding 10, positions 81, attention 4 C^2 + 4 C, perceptron 4 C^2 + 3 C, three norms, head 9.
    let c = 512;
    let wanted = 10 * c + 81 * c + (4 * c * c + 4 * c) + (4 * c * c + 3 * c) + 3 * 2 * c + 9 * c + 9;
    assert_eq!(Itrsa::new(ItrsaConfig::default())?.parameters(0)?.learned(), wanted);
    Ok(())
}

#[test]
fn what_is_wrong_is_said() -> Result<()> {
    let config = ItrsaConfig { side: 4, channels: 8, heads: 2, blocks: 1 };
    for (config, word) in [
        (ItrsaConfig { side: 0, ..config.clone() }, "cells"),
        (ItrsaConfig { channels: 0, ..config.clone() }, "channels"),
        (ItrsaConfig { blocks: 0, ..config.clone() }, "blocks"),
        (ItrsaConfig { heads: 3, ..config.clone() }, "heads"),
        (ItrsaConfig { heads: 0, ..config }, "heads"),
    ] {
        let error = Itrsa::new(config).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Param);
        assert!(error.to_string().contains(word), "{error}");
    }
    let net = small(1)?;
    let tape = &mut Tape::reference();
    let parameters = net.parameters(0)?;
    for (puzzle, kind) in [(vec![], ErrorKind::Shape), (vec![0; 15], ErrorKind::Shape), (vec![5; 16], ErrorKind::Index)]
    {
        assert_eq!(logits(tape, &net, &parameters, &puzzle, 1).unwrap_err().kind(), kind);
    }
    let bound = parameters.place(tape)?.bind(tape);
    let logits = net.forward(tape, &bound, &PUZZLE, &Run::new(1))?;
    assert_eq!(net.loss(tape, logits, &PUZZLE).unwrap_err().kind(), ErrorKind::Index);
    assert_eq!(net.loss(tape, logits, &[SOLUTION, SOLUTION].concat()).unwrap_err().kind(), ErrorKind::Shape);
    Ok(())
}
