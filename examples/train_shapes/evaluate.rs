//! What a network finds on images, against the exact masks.

use kuramoto::model::Placed;
use kuramoto::model::akorn::{ObjectNet, Run};
use kuramoto::{Context, DType, Distribution, Stream, Tape};

use crate::scene::Scene;
use crate::{CLUSTERS, clustering, metrics};

/// The oscillators' random starts in evaluation.
const STARTS: u32 = 2;

/// Agreement with the masks, mean over images.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scores {
    /// FG-ARI: 1 if the pixels of objects fall apart into the objects.
    pub rand: f64,
    /// MBO: 1 if every object is one cluster.
    pub overlap: f64,
}

/// What was found on the images.
pub struct Found {
    pub scores: Scores,
    /// The cluster of every pixel, image by image.
    pub clusters: Vec<Vec<usize>>,
    /// The oscillators `[channels, grid, grid]` of every image at the start and after each step.
    pub states: Vec<Vec<Vec<f32>>>,
}

/// Clusters features `[tokens, channels]` of every image and compares.
pub fn compare(scenes: &[Scene], features: &[Vec<f32>], patch: usize) -> Result<Found, String> {
    let mut found = Found { scores: Scores::default(), clusters: vec![], states: vec![] };
    for (scene, features) in scenes.iter().zip(features) {
        let grid = scene.side / patch;
        let clusters = clustering::clusters(features, grid * grid, CLUSTERS).ok_or("a feature is no number")?;
        let clusters = clustering::enlarge(&clusters, grid, patch);
        found.scores.rand += metrics::foreground_rand(&scene.objects, &clusters) / scenes.len() as f64;
        found.scores.overlap += metrics::mean_best_overlap(&scene.objects, &clusters) / scenes.len() as f64;
        found.clusters.push(clusters);
    }
    Ok(found)
}

/// Runs the network with the parameters `placed` and clusters its last readout.
pub fn evaluate(
    context: &Context,
    net: &ObjectNet,
    placed: &Placed,
    scenes: &[Scene],
    rounds: usize,
) -> Result<Found, Box<dyn std::error::Error>> {
    let side = net.config().image;
    let images: Vec<f32> = scenes.iter().flat_map(|scene| &scene.image).copied().collect();
    let mut tape = Tape::new(context);
    let bound = placed.bind_constant(&mut tape);
    let images = tape.upload(&images, &[scenes.len(), 3, side, side], DType::F32)?;
    let images = tape.constant(images);
    let stream = Stream { stream: STARTS, ..Stream::default() };
    let shape = net.noise_shape(scenes.len());
    let starts = tape.noise(stream, Distribution::Gaussian, &shape, DType::F32)?;
    let objects = net.forward(&mut tape, &bound, images, starts, &Run::new(rounds).record())?;

    let [_, channels, height, width] = shape;
    let tokens = height * width;
    let features: Vec<Vec<f32>> = tape
        .read(objects.features)?
        .chunks(channels * tokens)
        .map(|image| (0..channels * tokens).map(|at| image[at % channels * tokens + at / channels] as f32).collect())
        .collect();
    let mut found = compare(scenes, &features, net.config().patch)?;
    found.states = vec![vec![]; scenes.len()];
    for state in [starts].iter().chain(&objects.trajectory.states) {
        let state = tape.read(*state)?;
        for (states, image) in found.states.iter_mut().zip(state.chunks(channels * tokens)) {
            states.push(image.iter().map(|value| *value as f32).collect());
        }
    }
    Ok(found)
}

/// The pixels of every patch in `[-1, 1]`, as features: what grouping finds without a network.
pub fn patches(scene: &Scene, patch: usize) -> Vec<f32> {
    let (side, grid, area) = (scene.side, scene.side / patch, patch * patch);
    let feature = |token: usize| {
        (0..3 * area).map(move |value| {
            let (y, x) = (token / grid * patch + value % area / patch, token % grid * patch + value % patch);
            2.0 * scene.image[(value / area * side + y) * side + x] - 1.0
        })
    };
    (0..grid * grid).flat_map(feature).collect()
}
