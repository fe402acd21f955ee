//! What happens to pictures outside a laboratory: four drawn corruptions, and sign noise.
//!
//! A picture's corruption depends on the seed and its index alone, not on what else is corrupted with it.

use kuramoto::cpu::noise;
use kuramoto::{Distribution, Stream};

use crate::data::Pictures;

/// One way to spoil a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Corruption {
    /// Gaussian, of a standard deviation of a tenth of the side; what lies outside is the nearest edge.
    Blur,
    /// Three tenths of each pixel's distance from the picture's mean.
    Contrast,
    /// A grey square of three eighths of the side at a random place.
    Occlusion,
    /// One pixel in ten is black or white.
    Speckle,
}

/// Noise of this example; the order of the pictures has another stream.
const STREAM: u32 = 101;

impl Corruption {
    pub const ALL: [Corruption; 4] =
        [Corruption::Blur, Corruption::Contrast, Corruption::Occlusion, Corruption::Speckle];

    /// The name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Corruption::Blur => "Gaussian blur",
            Corruption::Contrast => "low contrast",
            Corruption::Occlusion => "occlusion",
            Corruption::Speckle => "salt and pepper",
        }
    }

    /// All `pictures`, spoilt.
    pub fn apply(self, pictures: &Pictures, seed: u64) -> Pictures {
        let side = pictures.side;
        let pixels = (0..pictures.len()).flat_map(|index| {
            let picture = pictures.picture(index);
            let random = |count| uniform(seed, index, self as u32 + 1, count);
            match self {
                Corruption::Blur => blur(picture, side, 0.1 * side as f32),
                Corruption::Contrast => contrast(picture, 0.3),
                Corruption::Occlusion => {
                    occlude(picture, side, 3 * side / 8, random(2)[..].try_into().unwrap_or([0.0; 2]))
                }
                Corruption::Speckle => speckle(picture, 0.1, &random(2 * side * side)),
            }
        });
        Pictures { side, pixels: pixels.collect(), labels: pictures.labels.clone() }
    }
}

/// Numbers in `[0, 1)` for the picture `index`.
fn uniform(seed: u64, index: usize, step: u32, count: usize) -> Vec<f32> {
    let stream = Stream { seed, first_sample: index as u32, step, stream: STREAM };
    noise::forward::<f64>(&stream, Distribution::Uniform, 1, count).into_iter().map(|u| u as f32).collect()
}

/// Each pixel moves by `size`, up or down at random, within `[0, 1]`.
pub fn sign_noise(pictures: &Pictures, size: f32, seed: u64) -> Pictures {
    let area = pictures.side * pictures.side;
    let pixels = (0..pictures.len()).flat_map(|index| {
        let signs = uniform(seed, index, 0, area);
        let moved = |(pixel, sign): (&f32, f32)| (pixel + if sign < 0.5 { -size } else { size }).clamp(0.0, 1.0);
        pictures.picture(index).iter().zip(signs).map(moved).collect::<Vec<f32>>()
    });
    Pictures { side: pictures.side, pixels: pixels.collect(), labels: pictures.labels.clone() }
}

/// Rows, then columns, with weights `exp(-d² / 2 sigma²)` over `d` up to three standard deviations.
fn blur(picture: &[f32], side: usize, sigma: f32) -> Vec<f32> {
    let reach = (3.0 * sigma).ceil() as isize;
    let weights: Vec<f32> = (-reach..=reach).map(|d| (-((d * d) as f32) / (2.0 * sigma * sigma)).exp()).collect();
    let total: f32 = weights.iter().sum();
    let inside = |at: usize, d: isize| at.saturating_add_signed(d).min(side - 1);
    let pass = |old: &[f32], along: bool| -> Vec<f32> {
        let mean = |at: usize| {
            let (row, column) = (at / side, at % side);
            let value =
                |d: isize| old[if along { row * side + inside(column, d) } else { inside(row, d) * side + column }];
            (-reach..=reach).zip(&weights).map(|(d, weight)| weight * value(d)).sum::<f32>() / total
        };
        (0..old.len()).map(mean).collect()
    };
    pass(&pass(picture, true), false)
}

fn contrast(picture: &[f32], factor: f32) -> Vec<f32> {
    let mean = picture.iter().sum::<f32>() / picture.len() as f32;
    picture.iter().map(|pixel| mean + factor * (pixel - mean)).collect()
}

fn occlude(picture: &[f32], side: usize, patch: usize, random: [f32; 2]) -> Vec<f32> {
    let [top, left] = random.map(|u| (u * (side - patch + 1) as f32) as usize);
    let covered = |at: usize, start: usize| (start..start + patch).contains(&at);
    let pixel = |(at, old): (usize, &f32)| if covered(at / side, top) && covered(at % side, left) { 0.5 } else { *old };
    picture.iter().enumerate().map(pixel).collect()
}

/// The first half of `random` says which pixels, the second which of both colours.
fn speckle(picture: &[f32], share: f32, random: &[f32]) -> Vec<f32> {
    let (which, colour) = random.split_at(picture.len());
    let pixel = |at: usize| match (which[at] < share, colour[at] < 0.5) {
        (false, _) => picture[at],
        (true, dark) => f32::from(u8::from(!dark)),
    };
    (0..picture.len()).map(pixel).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pictures(count: usize, side: usize) -> Pictures {
        let pixels = (0..count * side * side).map(|i| (i % 17) as f32 / 16.0).collect();
        Pictures { side, pixels, labels: vec![3; count] }
    }

    #[test]
    fn blurring_a_point_gives_the_kernel() {
        let mut point = vec![0.0; 81];
        point[40] = 1.0;
        let blurred = blur(&point, 9, 0.8);
        // Weights 1, e^(-1/1.28), e^(-4/1.28), e^(-9/1.28) of the distances 0 to 3.
        let weights = [1.0, 0.457_833_4, 0.043_936_934, 0.000_883_826_3_f32];
        let total = weights[0] + 2.0 * (weights[1] + weights[2] + weights[3]);
        for (at, distances) in [(40, (0, 0)), (41, (0, 1)), (31, (1, 0)), (30, (1, 1)), (22, (2, 0)), (37, (0, 3))] {
            let wanted = weights[distances.0] * weights[distances.1] / (total * total);
            assert!((blurred[at] - wanted).abs() < 1e-6, "{at}: {} for {wanted}", blurred[at]);
        }
        assert!((blurred.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        // Edges go on outside: what is constant stays so.
        assert!(blur(&[0.25; 16], 4, 0.8).iter().all(|p| (p - 0.25).abs() < 1e-6));
    }

    #[test]
    fn contrast_shrinks_towards_the_mean() {
        let weak = contrast(&[0.0, 1.0, 0.5, 0.5], 0.3);
        for (got, wanted) in weak.iter().zip([0.35, 0.65, 0.5, 0.5]) {
            assert!((got - wanted).abs() < 1e-6);
        }
    }

    #[test]
    fn the_patch_lies_inside() {
        // A patch of 1 on 3 x 3: the numbers pick row 2 and column 0.
        assert_eq!(occlude(&[0.0; 9], 3, 1, [0.99, 0.1]), [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 0.0, 0.0]);
        let covered = Corruption::Occlusion.apply(&Pictures { pixels: vec![0.0; 50 * 64], ..pictures(50, 8) }, 1);
        for index in 0..50 {
            assert_eq!(covered.picture(index).iter().filter(|p| **p == 0.5).count(), 9);
        }
    }

    #[test]
    fn speckles_replace_the_drawn_pixels() {
        let random = [0.05, 0.5, 0.09, 0.1, 0.2, 0.2, 0.7, 0.7];
        assert_eq!(speckle(&[0.4, 0.4, 0.4, 0.4], 0.1, &random), [0.0, 0.4, 1.0, 0.4]);
        let grey = Pictures { pixels: vec![0.4; 100 * 64], ..pictures(100, 8) };
        let spoilt = Corruption::Speckle.apply(&grey, 2).pixels;
        let changed = spoilt.iter().filter(|p| **p != 0.4).count();
        let white = spoilt.iter().filter(|p| **p == 1.0).count();
        // 640 expected, standard deviation 24; half of them white.
        assert!((540..740).contains(&changed) && (250..390).contains(&white), "{changed} changed, {white} white");
    }

    #[test]
    fn sign_noise_moves_every_pixel_by_one_size() {
        let grey = Pictures { pixels: vec![0.5; 640], ..pictures(10, 8) };
        let noisy = sign_noise(&grey, 0.25, 3).pixels;
        let up = noisy.iter().filter(|p| **p == 0.75).count();
        assert_eq!(up + noisy.iter().filter(|p| **p == 0.25).count(), 640);
        assert!((260..380).contains(&up), "{up} of 640 up");
        let dark = Pictures { pixels: vec![0.0; 64], ..pictures(1, 8) };
        assert!(sign_noise(&dark, 0.25, 3).pixels.iter().all(|p| *p == 0.0 || *p == 0.25));
    }

    #[test]
    fn corruptions_stay_in_range_repeat_and_ignore_company() {
        let (all, first) = (pictures(4, 14), pictures(2, 14));
        for corruption in Corruption::ALL {
            let spoilt = corruption.apply(&all, 5);
            assert_eq!(spoilt, corruption.apply(&all, 5));
            assert_eq!(spoilt.labels, all.labels);
            assert!(spoilt.pixels.iter().all(|p| (0.0..=1.0).contains(p)), "{}", corruption.name());
            assert_ne!(spoilt.pixels, all.pixels, "{}", corruption.name());
            assert_eq!(corruption.apply(&first, 5).pixels, spoilt.pixels[..2 * 196], "{}", corruption.name());
        }
        assert_eq!(sign_noise(&first, 0.1, 5).pixels, sign_noise(&all, 0.1, 5).pixels[..2 * 196]);
    }
}
