//! Pictures moved against a network, by the sign of the loss's gradient: FGSM in one step, PGD in many.

use std::cmp::Ordering;

use crate::data::Pictures;

/// A network, seen from outside. A `draw` numbers the random start of the oscillators: another one for each question,
/// as in training.
pub trait Network {
    type Error;

    /// `[N, classes]` for each picture.
    fn logits(&mut self, pictures: &Pictures, draw: u32) -> Result<Vec<f64>, Self::Error>;

    /// The gradient of the mean cross entropy with respect to the pixels.
    fn gradient(&mut self, pictures: &Pictures, draw: u32) -> Result<Vec<f64>, Self::Error>;
}

/// Steps of the sign of the gradient, each within `size` of the clean picture and within `[0, 1]`.
#[derive(Clone, Copy, Debug)]
pub struct Attack {
    /// The most that a pixel moves in all.
    pub size: f32,
    /// How far a pixel moves in one step.
    pub step: f32,
    pub steps: u32,
}

impl Attack {
    /// One step of the whole size (Goodfellow et al. 2015).
    pub fn fgsm(size: f32) -> Attack {
        Attack { size, step: size, steps: 1 }
    }

    /// Steps of a third of the size, from the clean picture (Madry et al. 2018).
    pub fn pgd(size: f32, steps: u32) -> Attack {
        Attack { size, step: size / 3.0, steps }
    }

    /// The moved pictures; step `t` draws `first_draw + t`.
    pub fn run<N: Network>(&self, network: &mut N, clean: &Pictures, first_draw: u32) -> Result<Pictures, N::Error> {
        let mut moved = clean.clone();
        for t in 0..self.steps {
            let gradient = network.gradient(&moved, first_draw + t)?;
            for ((pixel, slope), clean) in moved.pixels.iter_mut().zip(gradient).zip(&clean.pixels) {
                // A pixel without a slope stays: the sign of 0 is 0.
                let sign = match slope.partial_cmp(&0.0) {
                    Some(Ordering::Greater) => 1.0,
                    Some(Ordering::Less) => -1.0,
                    _ => 0.0,
                };
                let wanted = *pixel + self.step * sign;
                *pixel = wanted.clamp(clean - self.size, clean + self.size).clamp(0.0, 1.0);
            }
        }
        Ok(moved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The gradient is given, whatever the picture; the draws are noted.
    struct Fixed(Vec<f64>, Vec<u32>);

    impl Network for Fixed {
        type Error = ();
        fn logits(&mut self, _: &Pictures, _: u32) -> Result<Vec<f64>, ()> {
            Err(())
        }
        fn gradient(&mut self, _: &Pictures, draw: u32) -> Result<Vec<f64>, ()> {
            self.1.push(draw);
            Ok(self.0.clone())
        }
    }

    #[test]
    fn pixels_follow_the_sign_within_the_size_and_the_range() {
        let clean = Pictures { side: 2, pixels: vec![0.5, 0.5, 0.5, 0.95], labels: vec![0] };
        let mut network = Fixed(vec![1e-9, -4.0, 0.0, 2.0], vec![]);
        let near = |got: &Pictures, wanted: [f32; 4]| got.pixels.iter().zip(wanted).all(|(g, w)| (g - w).abs() < 1e-6);
        let moved = Attack::fgsm(0.1).run(&mut network, &clean, 7).unwrap();
        assert!(near(&moved, [0.6, 0.4, 0.5, 1.0]), "{moved:?}");
        // Two steps of a third, then twenty, which stop at the size.
        let moved = Attack::pgd(0.03, 2).run(&mut network, &clean, 20).unwrap();
        assert!(near(&moved, [0.52, 0.48, 0.5, 0.97]), "{moved:?}");
        let moved = Attack::pgd(0.03, 20).run(&mut network, &clean, 30).unwrap();
        assert!(near(&moved, [0.53, 0.47, 0.5, 0.98]), "{moved:?}");
        assert!(network.1.iter().copied().eq([7].into_iter().chain(20..22).chain(30..50)));
    }
}
