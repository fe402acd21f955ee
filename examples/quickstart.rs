//! A small network of oscillators: 32 steps, its energy, and one gradient.

use kuramoto::{Context, DType, Distribution, Result, StepOptions, Stream, Tape, Tensor};

fn main() -> Result<()> {
    let context = Context::new()?;
    println!("{context:?}");

    // 16 x 16 positions with two oscillators of 4 components each, at random on the sphere; random couplings.
    let options = StepOptions::new(4, 1);
    let stream = |stream| Stream { seed: 1, stream, ..Stream::default() };
    let mut commands = context.commands();
    let x = commands.noise(stream(0), Distribution::Gaussian, &[1, 8, 16, 16], DType::F32)?;
    let start = commands.sphere_normalize(&x, 1, 4)?;
    let w = commands.noise(stream(1), Distribution::Gaussian, &[8, 8, 3, 3], DType::F32)?;
    let bias = Tensor::from_slice(&context, &[0.0; 8], &[8], DType::F32)?;
    let gamma = Tensor::from_slice(&context, &[0.05], &[1], DType::F32)?;

    // 32 steps of x <- normalize(x + gamma P_x (w * x + bias)), recorded first and run in one submission.
    let (mut x, mut energies) = (start.clone(), Vec::new());
    for _ in 0..32 {
        let drive = commands.couple_conv2d(&x, &w, &bias)?;
        let (next, energy) = commands.sphere_step(&x, &drive, &gamma, None, &options)?;
        energies.push(energy);
        x = next;
    }
    println!("energy before the first step: {:?}", commands.read(&energies[0])?);
    println!("energy before the last step:  {:?}", commands.read(&energies[31])?);

    // The gradient of one step's energy with respect to the coupling.
    let mut tape = Tape::from_commands(commands);
    let (x, w) = (tape.constant(x), tape.leaf(w));
    let bias = tape.constant(bias);
    let drive = tape.couple_conv2d(x, w, bias)?;
    let energy = tape.energy(x, drive, None)?;
    let gradient = tape.backward(energy)?.read(&mut tape, w)?;
    println!("energy of the last state:     {:?}", tape.read(energy)?);
    println!("its gradient in {} weights, the first: {:?}", gradient.len(), &gradient[..3]);
    Ok(())
}
