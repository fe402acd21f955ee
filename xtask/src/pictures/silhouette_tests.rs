use image::{ImageFormat, Luma, LumaA, Rgba};

use super::super::scratch;
use super::*;

fn count(s: &Silhouette) -> usize {
    s.inside.iter().filter(|&&inside| inside).count()
}

/// Saves a picture, reads it back as a silhouette and removes the file.
fn through_png(name: &str, picture: impl Into<DynamicImage>, size: usize) -> Result<Silhouette, PictureError> {
    let path = scratch(name);
    let picture: DynamicImage = picture.into();
    picture.save_with_format(&path, ImageFormat::Png).unwrap();
    let result = Silhouette::from_png(&path, size);
    std::fs::remove_file(&path).unwrap();
    result
}

#[test]
fn the_fish_has_the_published_number_of_pixels() {
    let fish = Silhouette::fish(64).unwrap();
    assert_eq!(fish.inside.len(), 64 * 64);
    assert_eq!(count(&fish), 656);
}

#[test]
fn sizes_without_a_picture_are_refused() {
    assert!(matches!(Silhouette::fish(0), Err(PictureError::Size(0))));
    assert!(Silhouette::none(0).is_err());
    assert!(Silhouette::none(usize::MAX).is_err());
    assert!(Silhouette::from_png(Path::new("never-read.png"), 0).is_err());
    assert!(matches!(Silhouette::fish(1), Err(PictureError::NothingInside(_))));
    assert_eq!(count(&Silhouette::none(5).unwrap()), 0);
}

#[test]
fn alpha_decides_when_there_is_any() {
    // The opaque half is light and the transparent one dark, so lightness
    // would give the opposite.
    let picture =
        image::ImageBuffer::from_fn(
            8,
            8,
            |x, _| {
                if x < 4 { Rgba([255_u8, 255, 255, 128]) } else { Rgba([0, 0, 0, 127]) }
            },
        );
    let s = through_png("alpha.png", picture, 4).unwrap();
    assert_eq!(s.inside[..4], [true, true, false, false]);
    assert_eq!(count(&s), 8);
}

#[test]
fn the_side_away_from_the_border_is_inside() {
    for (ground, shape) in [(250_u8, 20_u8), (20, 250)] {
        let picture = image::ImageBuffer::from_fn(90, 90, |x, y| {
            let centre = (30..60).contains(&x) && (30..60).contains(&y);
            LumaA([if centre { shape } else { ground }, 255])
        });
        let s = through_png(&format!("ground-{ground}.png"), picture, 9).unwrap();
        assert_eq!(count(&s), 9);
        assert!(s.inside[4 * 9 + 4]);
    }
}

#[test]
fn the_aspect_ratio_is_kept_and_the_bars_are_outside() {
    // Twice as wide as high: rows 0 and 3 of the grid are bars.
    let picture = image::ImageBuffer::from_fn(40, 20, |x, _| Luma([if x < 10 { 0_u8 } else { 255 }]));
    let s = through_png("wide.png", picture, 4).unwrap();
    let rows: Vec<usize> = s.inside.chunks(4).map(|r| r.iter().filter(|&&i| i).count()).collect();
    assert_eq!(rows, [0, 1, 1, 0]);
}

#[test]
fn small_pictures_are_enlarged() {
    let picture = image::ImageBuffer::from_fn(3, 3, |x, y| Luma([if (x, y) == (1, 1) { 0_u8 } else { 255 }]));
    let s = through_png("small.png", picture, 12).unwrap();
    assert_eq!(count(&s), 16);
}

#[test]
fn one_sided_pictures_are_refused() {
    let flat = image::ImageBuffer::from_pixel(8, 8, Luma([255_u8]));
    let why = through_png("flat.png", flat, 8).unwrap_err();
    assert!(matches!(why, PictureError::NothingInside(_)));
    assert!(why.to_string().contains("no pixel is inside"));
    let veiled = image::ImageBuffer::from_pixel(8, 8, Rgba([0_u8, 0, 0, 200]));
    let why = through_png("veiled.png", veiled, 8).unwrap_err();
    assert!(matches!(why, PictureError::NothingOutside(_)));
}

#[test]
fn files_that_are_no_pictures_are_refused() {
    let path = scratch("text.png");
    std::fs::write(&path, "not a picture").unwrap();
    let why = Silhouette::from_png(&path, 8).unwrap_err();
    assert!(matches!(why, PictureError::Decode(..)));
    assert!(!why.to_string().contains('\n'));
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(Silhouette::from_png(&path, 8), Err(PictureError::Read(..))));
}

#[test]
fn the_header_alone_refuses_huge_pictures() {
    // A signature and an IHDR chunk that claims 60 000 x 60 000 pixels, its
    // checksum included, then an empty IDAT to end the header.
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8; 4], data: &[u8]| {
        bytes.extend((data.len() as u32).to_be_bytes());
        let body: Vec<u8> = kind.iter().chain(data).copied().collect();
        let crc = body.iter().fold(u32::MAX, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |c, _| (c >> 1) ^ if c & 1 == 1 { 0xedb8_8320 } else { 0 })
        });
        bytes.extend(body);
        bytes.extend((!crc).to_be_bytes());
    };
    let side = 60_000_u32.to_be_bytes();
    let mut header = [side, side].concat();
    header.extend([8, 0, 0, 0, 0]);
    chunk(b"IHDR", &header);
    chunk(b"IDAT", &[]);
    let path = scratch("huge.png");
    std::fs::write(&path, bytes).unwrap();
    let why = Silhouette::from_png(&path, 8).unwrap_err();
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(why, PictureError::TooManyPixels { .. }), "{why}");
}
