//! Finds the objects on images without being told what an object is.

mod clustering;
mod metrics;
mod pictures;
mod scene;

use std::path::PathBuf;

use clap::Parser;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use crate::pictures::Tile;
use crate::scene::Scene;

/// The side of an image and of a patch, in pixels.
const SIDE: usize = 32;
const PATCH: usize = 4;

/// Into how many clusters the positions of an image are merged: its objects at most, and the background.
const CLUSTERS: usize = *scene::OBJECTS.end() + 1;

/// Trains the object network on drawn images and compares the clusters of its features with the exact masks.
#[derive(Parser)]
struct Args {
    /// The seed of the scenes that are tested on
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many images are tested on
    #[arg(long, default_value_t = 48)]
    images: usize,
    /// A few steps on a few images, to see that everything runs
    #[arg(long)]
    quick: bool,
    /// Where pictures are written
    #[arg(long, default_value = "target/train_shapes")]
    out: PathBuf,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let images = if args.quick { 4 } else { args.images };
    let mut rng = ChaCha8Rng::seed_from_u64(args.seed);
    let scenes: Vec<Scene> = (0..images).map(|_| Scene::draw(&mut rng, SIDE)).collect();
    let (mut rand, mut overlap, mut rows) = (0.0, 0.0, vec![]);
    for scene in &scenes {
        let grid = SIDE / PATCH;
        let patches = patches(&scene.image);
        let found = clustering::clusters(&patches, grid * grid, CLUSTERS).ok_or("a pixel is no number")?;
        let found = clustering::enlarge(&found, grid, PATCH);
        rand += metrics::foreground_rand(&scene.objects, &found) / images as f64;
        overlap += metrics::mean_best_overlap(&scene.objects, &found) / images as f64;
        let view = scene.view(&mut rng);
        let tiles = [
            Tile::photo(&scene.image, SIDE),
            Tile::photo(&view, SIDE),
            Tile::labels(&scene.objects, SIDE, true),
            Tile::labels(&found, SIDE, false),
        ];
        rows.push(tiles.map(Some).into());
    }
    println!("pixels of patches: FG-ARI {rand:.3}, MBO {overlap:.3}");
    std::fs::create_dir_all(&args.out)?;
    pictures::write(&args.out.join("scenes.png"), &rows[..rows.len().min(8)])?;
    Ok(())
}

/// The pixels of every patch in `[-1, 1]`: `[grid * grid, 3 * PATCH * PATCH]`.
fn patches(image: &[f32]) -> Vec<f32> {
    let grid = SIDE / PATCH;
    let mut patches = Vec::with_capacity(image.len());
    for patch in 0..grid * grid {
        for value in 0..3 * PATCH * PATCH {
            let (channel, within) = (value / (PATCH * PATCH), value % (PATCH * PATCH));
            let (y, x) = (patch / grid * PATCH + within / PATCH, patch % grid * PATCH + within % PATCH);
            patches.push(2.0 * image[(channel * SIDE + y) * SIDE + x] - 1.0);
        }
    }
    patches
}
