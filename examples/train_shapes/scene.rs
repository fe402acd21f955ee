//! Images of several objects, drawn from a seed, with the exact mask of every object; and the two views of an image
//! that contrastive learning compares.
//!
//! Every object is a disc, a square or a triangle in one hue. Its texture (stripes, checks or a grid, in a light and a
//! dark shade) says nothing about what it is, and neither does brightness: whoever groups pixels by what varies most
//! groups the shades and not the objects.

use std::f32::consts::TAU;

use rand::{Rng, RngExt};

/// How many objects an image has, at least and at most.
pub const OBJECTS: std::ops::RangeInclusive<usize> = 2..=4;

/// The radius of an object, as a part of the image's side.
const RADIUS: std::ops::Range<f32> = 0.15..0.24;

/// The part of an object that may cover earlier ones.
const OVERLAP: f32 = 0.2;

/// The dark shade of a texture; the light one is 1.
const DARK: f32 = 0.35;

/// The saturation of objects. The background has none.
const SATURATION: f32 = 0.8;

/// Half the width of the noise on every channel of every pixel.
const NOISE: f32 = 0.087;

/// The area of a view as a part of the image's, at least.
const CROP: f32 = 0.5;

/// By how much a view changes brightness and contrast, at most.
const JITTER: f32 = 0.4;

/// A square image and what is on it.
pub struct Scene {
    /// The side in pixels.
    pub side: usize,
    /// Red, green and blue in `[0, 1]`: `[3, side, side]`.
    pub image: Vec<f32>,
    /// The object that is seen at each pixel, from 1; 0 is the background: `[side, side]`.
    pub objects: Vec<usize>,
}

impl Scene {
    /// Draws a scene. The same generator in the same state draws the same one.
    pub fn draw(rng: &mut impl Rng, side: usize) -> Scene {
        let mut scene = Scene { side, image: vec![0.0; 3 * side * side], objects: vec![0; side * side] };
        let texture = Texture::draw(rng, [1.0; 3]);
        scene.paint(&vec![true; side * side], 0, &texture);
        for object in 1..=rng.random_range(OBJECTS) {
            // On a crowded image an object may find no place in so many attempts; then it stays away.
            let Some(covered) = (0..30).map(|_| shape(rng, side)).find(|covered| scene.has_place(covered)) else {
                continue;
            };
            let colour = hue(rng.random());
            let texture = Texture::draw(rng, colour);
            scene.paint(&covered, object, &texture);
        }
        for value in &mut scene.image {
            *value = (*value + NOISE * (2.0 * rng.random::<f32>() - 1.0)).clamp(0.0, 1.0);
        }
        scene
    }

    fn has_place(&self, covered: &[bool]) -> bool {
        let area = covered.iter().filter(|inside| **inside).count();
        let taken = covered.iter().zip(&self.objects).filter(|(inside, object)| **inside && **object > 0).count();
        area > 12 && (taken as f32) < OVERLAP * area as f32
    }

    fn paint(&mut self, covered: &[bool], object: usize, texture: &Texture) {
        let pixels = self.side * self.side;
        for at in (0..pixels).filter(|at| covered[*at]) {
            let colour = texture.at((at % self.side) as f32, (at / self.side) as f32);
            self.objects[at] = object;
            for channel in 0..3 {
                self.image[channel * pixels + at] = colour[channel];
            }
        }
    }

    /// A random part of the image on the whole side, perhaps mirrored, in another brightness and contrast:
    /// `[3, side, side]`.
    pub fn view(&self, rng: &mut impl Rng) -> Vec<f32> {
        let side = self.side;
        let extent = rng.random_range(CROP..1.0f32).sqrt() * side as f32;
        let mut corner = || rng.random::<f32>() * (side as f32 - extent);
        let (left, top) = (corner(), corner());
        let (mirror_x, mirror_y) = (rng.random::<bool>(), rng.random::<bool>());
        let brightness = 1.0 + JITTER * (2.0 * rng.random::<f32>() - 1.0);
        let contrast = 1.0 + JITTER * (2.0 * rng.random::<f32>() - 1.0);
        // The pixel before a place, and how far the place lies on the way to the next pixel.
        let place = |at: usize, corner: f32, mirror: bool| {
            let at = if mirror { side - 1 - at } else { at };
            let place = ((at as f32 + 0.5) * extent / side as f32 - 0.5 + corner).clamp(0.0, (side - 1) as f32);
            let before = (place as usize).min(side - 2);
            (before, place - before as f32)
        };
        let mut view = Vec::with_capacity(self.image.len());
        for channel in self.image.chunks(side * side) {
            for y in 0..side {
                let (row, down) = place(y, top, mirror_y);
                for x in 0..side {
                    let (column, right) = place(x, left, mirror_x);
                    let along = |row: usize| {
                        let at = row * side + column;
                        channel[at] * (1.0 - right) + channel[at + 1] * right
                    };
                    view.push(along(row) * (1.0 - down) + along(row + 1) * down);
                }
            }
        }
        let mean = view.iter().sum::<f32>() / view.len() as f32;
        for value in &mut view {
            *value = (brightness * (mean + contrast * (*value - mean))).clamp(0.0, 1.0);
        }
        view
    }
}

/// Coordinates about a place, turned by an angle.
struct Frame {
    centre: [f32; 2],
    cos: f32,
    sin: f32,
}

impl Frame {
    fn new(centre: [f32; 2], angle: f32) -> Frame {
        Frame { centre, cos: angle.cos(), sin: angle.sin() }
    }

    fn at(&self, x: f32, y: f32) -> (f32, f32) {
        let (x, y) = (x - self.centre[0], y - self.centre[1]);
        (self.cos * x + self.sin * y, self.cos * y - self.sin * x)
    }
}

/// The pixels that a random shape at a random place covers.
fn shape(rng: &mut impl Rng, side: usize) -> Vec<bool> {
    let radius = rng.random_range(RADIUS) * side as f32;
    let mut centre = || rng.random_range(0.8 * radius..side as f32 - 0.8 * radius);
    let centre = [centre(), centre()];
    let frame = Frame::new(centre, TAU * rng.random::<f32>());
    let kind = rng.random_range(0..3);
    let covers = |at: usize| {
        let (u, v) = frame.at((at % side) as f32, (at / side) as f32);
        match kind {
            0 => u * u + v * v < radius * radius,
            1 => u.abs().max(v.abs()) < 0.88 * radius,
            _ => v > -0.7 * radius && v < 1.3 * radius - 1.9 * u.abs(),
        }
    };
    (0..side * side).map(covers).collect()
}

/// Two shades of one colour in a pattern.
struct Texture {
    colour: [f32; 3],
    kind: u32,
    frame: Frame,
    period: f32,
}

impl Texture {
    fn draw(rng: &mut impl Rng, colour: [f32; 3]) -> Texture {
        let period = rng.random_range(3.0..6.0);
        let origin = [period * rng.random::<f32>(), period * rng.random::<f32>()];
        let frame = Frame::new(origin, TAU * rng.random::<f32>());
        Texture { colour, kind: rng.random_range(0..3), frame, period }
    }

    fn at(&self, x: f32, y: f32) -> [f32; 3] {
        let (u, v) = self.frame.at(x, y);
        let (a, b) = ((TAU * u / self.period).sin(), (TAU * v / self.period).sin());
        let wave = match self.kind {
            0 => a,
            1 => (a * b).signum(),
            _ => a.max(b),
        };
        let shade = DARK + (1.0 - DARK) * (0.5 + 0.5 * wave);
        self.colour.map(|channel| shade * channel)
    }
}

/// The colour of a hue in `[0, 1)`.
fn hue(hue: f32) -> [f32; 3] {
    let channel = |offset: f32| {
        let distance = ((hue + offset).fract() * 6.0 - 3.0).abs();
        1.0 - SATURATION + SATURATION * (distance - 1.0).clamp(0.0, 1.0)
    };
    [channel(0.0), channel(2.0 / 3.0), channel(1.0 / 3.0)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;

    #[test]
    fn scenes_repeat_and_hold_the_objects_that_they_name() {
        let draw = |seed| Scene::draw(&mut ChaCha8Rng::seed_from_u64(seed), 32);
        for seed in 0..50 {
            let scene = draw(seed);
            assert_eq!(scene.image, draw(seed).image);
            assert!(scene.image.iter().all(|value| (0.0..=1.0).contains(value)), "seed {seed}");
            let area = |object| scene.objects.iter().filter(|o| **o == object).count();
            assert!(area(0) > 0 && area(1) > 12 && area(OBJECTS.end() + 1) == 0, "seed {seed}");
        }
        assert_ne!(draw(0).image, draw(1).image);
    }

    #[test]
    fn colours_go_round_the_circle() {
        let close = |a: [f32; 3], b: [f32; 3]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
        let low = 1.0 - SATURATION;
        assert!(close(hue(0.0), [1.0, low, low]));
        assert!(close(hue(1.0 / 3.0), [low, 1.0, low]));
        assert!(close(hue(2.0 / 3.0), [low, low, 1.0]));
    }

    #[test]
    fn a_view_of_a_plain_image_is_plain() {
        let scene = Scene { side: 8, image: vec![0.5; 3 * 64], objects: vec![0; 64] };
        let view = scene.view(&mut ChaCha8Rng::seed_from_u64(1));
        assert_eq!(view.len(), 3 * 64);
        assert!(view.iter().all(|value| (value - view[0]).abs() < 1e-6 && (0.3..=0.7).contains(value)));
    }
}
