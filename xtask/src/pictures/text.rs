//! The one typeface of captions and plots, and smooth drawing with it.
//!
//! The typeface comes as data, so that the pictures are the same on every
//! machine and need no font service.

use std::fmt::Display;
use std::sync::OnceLock;

use image::{Rgb, RgbImage, imageops};
use plotters::prelude::{BitMapBackend, IntoDrawingArea};
use plotters::style::{
    FontStyle, IntoTextStyle, RGBColor, TextStyle, register_font,
    text_anchor::{HPos, Pos, VPos},
};

use super::PictureError;

/// Lines and text are drawn this many times larger and then averaged down,
/// which gives the smooth edges that the plotting library lacks.
pub(super) const FINE: u32 = 3;

/// Nearly black, as all text is.
const INK: RGBColor = RGBColor(38, 40, 56);

const NAME: &str = "pictures";

/// In a vector picture a viewer's own typeface stands in, so the name is one that every viewer knows.
const VECTOR_NAME: &str = "sans-serif";

/// Text of a height in pixels, with its top left corner at its position.
pub(super) fn plain(height: u32) -> Result<TextStyle<'static>, PictureError> {
    named(NAME, height)
}

/// [`plain`] for a picture that names its typeface in place of drawing it.
pub(super) fn vector(height: u32) -> Result<TextStyle<'static>, PictureError> {
    named(VECTOR_NAME, height)
}

fn named(name: &'static str, height: u32) -> Result<TextStyle<'static>, PictureError> {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    let register = |name| register_font(name, FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT).is_ok();
    if !REGISTERED.get_or_init(|| register(NAME) && register(VECTOR_NAME)) {
        return Err(PictureError::Draw("the typeface is damaged".to_owned()));
    }
    Ok((name, height, &INK).into_text_style(&(0, 0)))
}

/// Text of a height in pixels, centred on its position.
pub(super) fn centred(height: u32) -> Result<TextStyle<'static>, PictureError> {
    Ok(plain(height)?.pos(Pos::new(HPos::Center, VPos::Center)))
}

/// Writes smooth text on a white part of a picture, centred on `at`.
pub(super) fn stamp(picture: &mut RgbImage, text: &str, height: u32, at: (u32, u32)) -> Result<(), PictureError> {
    let style = centred(height * FINE)?;
    let mut fine = RgbImage::new(0, 0);
    let probe = BitMapBackend::with_buffer(&mut fine, (0, 0)).into_drawing_area();
    let (wide, _) = probe.estimate_text_size(text, &style).map_err(refused)?;
    drop(probe);
    // Even numbers of final pixels, so that the middle is a corner of one.
    let half = (wide.div_ceil(2 * FINE) + 2, height * 3 / 4);
    let size = (2 * half.0 * FINE, 2 * half.1 * FINE);
    let mut fine = RgbImage::from_pixel(size.0, size.1, Rgb([255; 3]));
    {
        let area = BitMapBackend::with_buffer(&mut fine, size).into_drawing_area();
        let middle = ((half.0 * FINE) as i32, (half.1 * FINE) as i32);
        area.draw_text(text, &style, middle).map_err(refused)?;
        area.present().map_err(refused)?;
    }
    let corner = (i64::from(at.0) - i64::from(half.0), i64::from(at.1) - i64::from(half.1));
    imageops::replace(picture, &average(&fine), corner.0, corner.1);
    Ok(())
}

/// Averages squares of `FINE` x `FINE` pixels.
pub(super) fn average(fine: &RgbImage) -> RgbImage {
    RgbImage::from_fn(fine.width() / FINE, fine.height() / FINE, |x, y| {
        let mut sum = [0; 3];
        for dy in 0..FINE {
            for dx in 0..FINE {
                let pixel = fine.get_pixel(FINE * x + dx, FINE * y + dy).0;
                for (sum, channel) in sum.iter_mut().zip(pixel) {
                    *sum += u32::from(channel);
                }
            }
        }
        Rgb(sum.map(|s| (s / (FINE * FINE)) as u8))
    })
}

/// A failure of the plotting library.
pub(super) fn refused(why: impl Display) -> PictureError {
    PictureError::Draw(why.to_string())
}
