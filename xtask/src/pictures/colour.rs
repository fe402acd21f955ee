//! Unit vectors to colours: a perceptually even cyclic map, from OKLCH.

use std::f64::consts::TAU;

/// Cells without a direction (zero or not finite) show as grey, so that a
/// broken run is seen and not mistaken for a phase.
pub(super) const BLANK: [u8; 3] = [128, 128, 128];

/// The line around the silhouette.
pub(super) const OUTLINE: [u8; 3] = [22, 24, 44];

/// OKLCH lightness and chroma of the cyclic map. Nearly all of the circle is
/// in gamut; with more chroma the clipped parts show as false wave fronts.
const LIGHTNESS: f64 = 0.76;
const CHROMA: f64 = 0.132;

/// The hue of phase 0 in radians, a sky blue.
const HUE: f64 = 4.2;

/// The lightness range that the third component spans.
const DARKEST: f64 = 0.34;
const LIGHTEST: f64 = 0.95;

/// The colour of a phase in radians.
pub(super) fn phase_colour(phase: f64) -> [u8; 3] {
    oklch(LIGHTNESS, CHROMA, HUE + phase)
}

/// The colour of a vector: the first two components give the hue and, from
/// three components on, the third the lightness.
pub(super) fn vector_colour(x: &[f32]) -> [u8; 3] {
    match Place::of(x) {
        None => BLANK,
        Some(Place { phase, height: None }) => phase_colour(phase),
        Some(Place { phase, height: Some(height) }) => sphere_colour(phase, height),
    }
}

/// The hue fades towards the poles, where the phase says nothing, so that
/// the map has no seam anywhere on the sphere.
fn sphere_colour(phase: f64, height: f64) -> [u8; 3] {
    let lightness = DARKEST + (LIGHTEST - DARKEST) * (height + 1.0) / 2.0;
    let fade = (1.0 - height * height).max(0.0).sqrt();
    oklch(lightness, CHROMA * fade, HUE + phase)
}

/// What of a vector is shown.
struct Place {
    phase: f64,
    height: Option<f64>,
}

impl Place {
    /// `None` for a vector that has no direction.
    fn of(x: &[f32]) -> Option<Self> {
        let norm = x.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
        if !norm.is_finite() || norm == 0.0 {
            return None;
        }
        let component = |k: usize| x.get(k).map_or(0.0, |&v| f64::from(v) / norm);
        Some(Self { phase: component(1).atan2(component(0)), height: (x.len() >= 3).then(|| component(2)) })
    }
}

/// The fixed 256 colours of an animation, so that frames need no colour
/// analysis of their own and the colours never flicker.
pub(super) struct Palette {
    hues: usize,
    heights: usize,
}

impl Palette {
    pub(super) const BLANK: u8 = 254;
    pub(super) const OUTLINE: u8 = 255;

    /// The palette for vectors with `dimension` components.
    pub(super) fn new(dimension: usize) -> Self {
        if dimension < 3 { Self { hues: 128, heights: 1 } } else { Self { hues: 28, heights: 9 } }
    }

    /// All 256 colours, three bytes each.
    pub(super) fn rgb(&self) -> Vec<u8> {
        let mut colours = vec![BLANK; 256];
        for height in 0..self.heights {
            for hue in 0..self.hues {
                let phase = TAU * hue as f64 / self.hues as f64;
                colours[height * self.hues + hue] = if self.heights == 1 {
                    phase_colour(phase)
                } else {
                    let level = (height as f64 + 0.5) / self.heights as f64;
                    sphere_colour(phase, 2.0 * level - 1.0)
                };
            }
        }
        colours[usize::from(Self::OUTLINE)] = OUTLINE;
        colours.concat()
    }

    /// The entry nearest to the colour of a vector.
    pub(super) fn index(&self, x: &[f32]) -> u8 {
        let Some(place) = Place::of(x) else {
            return Self::BLANK;
        };
        let turn = place.phase.rem_euclid(TAU) / TAU;
        let hue = (turn * self.hues as f64).round() as usize % self.hues;
        let level = (place.height.unwrap_or(0.0) + 1.0) / 2.0;
        let height = ((level * self.heights as f64) as usize).min(self.heights - 1);
        (height * self.hues + hue) as u8
    }
}

/// An OKLCH colour as sRGB; a chroma that sRGB cannot show is reduced at the
/// same lightness and hue until it can.
pub(super) fn oklch(lightness: f64, chroma: f64, hue: f64) -> [u8; 3] {
    let linear = |chroma: f64| oklab_to_linear(lightness, chroma * hue.cos(), chroma * hue.sin());
    let shown = |rgb: [f64; 3]| rgb.iter().all(|c| (-1e-4..=1.0001).contains(c));
    let mut rgb = linear(chroma);
    if !shown(rgb) {
        let (mut low, mut high) = (0.0, chroma);
        for _ in 0..12 {
            let middle = f64::midpoint(low, high);
            if shown(linear(middle)) {
                low = middle;
            } else {
                high = middle;
            }
        }
        rgb = linear(low);
    }
    rgb.map(|c| (255.0 * encode(c.clamp(0.0, 1.0))).round() as u8)
}

/// OKLab to linear sRGB, with the matrices of Ottosson (2020).
fn oklab_to_linear(lightness: f64, a: f64, b: f64) -> [f64; 3] {
    let l = (lightness + 0.396_337_777_4 * a + 0.215_803_757_3 * b).powi(3);
    let m = (lightness - 0.105_561_345_8 * a - 0.063_854_172_8 * b).powi(3);
    let s = (lightness - 0.089_484_177_5 * a - 1.291_485_548_0 * b).powi(3);
    [
        4.076_741_662_1 * l - 3.307_711_591_3 * m + 0.230_969_929_2 * s,
        -1.268_438_004_6 * l + 2.609_757_401_1 * m - 0.341_319_396_5 * s,
        -0.004_196_086_3 * l - 0.703_418_614_7 * m + 1.707_614_701_0 * s,
    ]
}

/// The sRGB transfer function.
fn encode(linear: f64) -> f64 {
    if linear <= 0.003_130_8 { 12.92 * linear } else { 1.055 * linear.powf(1.0 / 2.4) - 0.055 }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;

    use super::*;

    fn distance(a: [u8; 3], b: [u8; 3]) -> i32 {
        let channels = a.iter().zip(b);
        channels.map(|(&a, b)| (i32::from(a) - i32::from(b)).abs()).max().unwrap()
    }

    #[test]
    fn oklch_agrees_with_known_colours() {
        assert_eq!(oklch(1.0, 0.0, 0.0), [255, 255, 255]);
        assert_eq!(oklch(0.0, 0.0, 0.0), [0, 0, 0]);
        let red = oklch(0.627_955, 0.257_683, 29.233_9_f64.to_radians());
        assert!(distance(red, [255, 0, 0]) <= 2, "{red:?}");
    }

    #[test]
    fn the_phase_map_is_cyclic_and_even() {
        assert_eq!(phase_colour(-PI), phase_colour(PI));
        for step in 0..360 {
            let at = |s: i32| phase_colour(f64::from(s).to_radians());
            assert!(distance(at(step), at(step + 1)) <= 8);
        }
    }

    #[test]
    fn palette_entries_lie_near_the_true_colours() {
        for dimension in [2, 3] {
            let palette = Palette::new(dimension);
            let rgb = palette.rgb();
            assert_eq!(rgb.len(), 768);
            for step in 0..500 {
                let (a, z) = (step as f32 * 0.1, (step as f32 * 0.037).sin());
                let r = if dimension == 3 { (1.0 - z * z).sqrt() } else { 1.0 };
                let x = [r * a.cos(), r * a.sin(), z];
                let entry = 3 * usize::from(palette.index(&x[..dimension]));
                let near = [rgb[entry], rgb[entry + 1], rgb[entry + 2]];
                let allowed = if dimension == 3 { 64 } else { 8 };
                assert!(distance(near, vector_colour(&x[..dimension])) <= allowed);
            }
        }
    }

    #[test]
    fn vectors_without_a_direction_are_grey() {
        let palette = Palette::new(2);
        for x in [[0.0, 0.0], [f32::NAN, 1.0], [f32::INFINITY, 0.0]] {
            assert_eq!(vector_colour(&x), BLANK);
            assert_eq!(palette.index(&x), Palette::BLANK);
        }
        assert_ne!(vector_colour(&[1.0]), vector_colour(&[-1.0]));
    }
}
