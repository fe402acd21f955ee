//! Small grey pictures with labels: the 8 x 8 digits that lie beside the example, and Fashion-MNIST where it is
//! installed.

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use kuramoto::Stream;
use kuramoto::cpu::noise;

/// See `examples/data/CREDITS.txt`.
const DIGITS: &[u8] = include_bytes!("../data/digits.csv.gz");

/// Where Debian's package puts Fashion-MNIST.
pub const FASHION: &str = "/usr/share/datasets/fashion-mnist";

/// No file read here unpacks to more.
const LARGEST: u64 = 64 << 20;

/// Why there are no pictures.
#[derive(Debug)]
pub enum DataError {
    /// The data set is not on this machine.
    Missing(PathBuf),
    /// A file is there and cannot be read.
    Read(PathBuf, io::Error),
    /// A file is not what it should be: what, where in it, why.
    Malformed(String, String, String),
    /// More pictures are wanted than there are.
    TooFew(usize, usize),
}

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(path) => write!(
                f,
                "{}: not there; Fashion-MNIST comes with Debian's and Ubuntu's package dataset-fashion-mnist (`apt \
                 install dataset-fashion-mnist`), or name the folder of its four .gz files with --folder",
                path.display()
            ),
            Self::Read(path, why) => write!(f, "{}: cannot be read ({why})", path.display()),
            Self::Malformed(what, place, why) => write!(f, "{what}: {place}: {why}"),
            Self::TooFew(wanted, got) => write!(f, "{wanted} pictures are wanted and there are {got}"),
        }
    }
}

impl std::error::Error for DataError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read(_, why) => Some(why),
            _ => None,
        }
    }
}

fn malformed(what: &str, place: impl fmt::Display, why: impl fmt::Display) -> DataError {
    DataError::Malformed(what.to_owned(), place.to_string(), why.to_string())
}

/// Square grey pictures.
#[derive(Clone, Debug, PartialEq)]
pub struct Pictures {
    /// Pixels on a side.
    pub side: usize,
    /// `[N, side, side]`, from 0 to 1.
    pub pixels: Vec<f32>,
    /// `[N]`, below [`CLASSES`].
    pub labels: Vec<u32>,
}

/// Classes of either data set.
pub const CLASSES: usize = 10;

/// Pictures to learn from, and others to be judged on.
#[derive(Clone, Debug)]
pub struct Split {
    pub train: Pictures,
    pub test: Pictures,
}

impl Pictures {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// The pixels of one.
    pub fn picture(&self, index: usize) -> &[f32] {
        let area = self.side * self.side;
        &self.pixels[index * area..][..area]
    }

    /// These pictures in this order.
    pub fn select(&self, indices: &[usize]) -> Pictures {
        Pictures {
            side: self.side,
            pixels: indices.iter().flat_map(|i| self.picture(*i)).copied().collect(),
            labels: indices.iter().map(|i| self.labels[*i]).collect(),
        }
    }

    /// The first `count`.
    fn first(mut self, count: usize) -> Result<Pictures, DataError> {
        if count > self.len() {
            return Err(DataError::TooFew(count, self.len()));
        }
        self.labels.truncate(count);
        self.pixels.truncate(count * self.side * self.side);
        Ok(self)
    }
}

/// A random order of `count` things, the same on every machine.
pub fn order(count: usize, seed: u64, step: u32) -> Vec<usize> {
    let keys = noise::bits(&Stream { seed, step, stream: ORDER, ..Stream::default() }, 1, count);
    let mut indices: Vec<usize> = (0..count).collect();
    indices.sort_by_key(|i| (keys[*i], *i));
    indices
}

/// The stream of [`order`]; other uses of noise have others.
const ORDER: u32 = 100;

/// The digits, `train` and `test` of them drawn by `seed`.
pub fn digits(train: usize, test: usize, seed: u64) -> Result<Split, DataError> {
    let all = parse_digits("digits.csv.gz", DIGITS)?;
    let wanted = train.saturating_add(test);
    if wanted > all.len() {
        return Err(DataError::TooFew(wanted, all.len()));
    }
    let order = order(all.len(), seed, 0);
    Ok(Split { train: all.select(&order[test..wanted]), test: all.select(&order[..test]) })
}

/// The first pictures of Fashion-MNIST's two files, each 2 x 2 pixels averaged to one.
pub fn fashion(folder: &Path, train: usize, test: usize) -> Result<Split, DataError> {
    let part = |name: &str, count: usize| {
        let file = |kind: &str| folder.join(format!("{name}-{kind}-ubyte.gz"));
        let (images, labels) = (file("images-idx3"), file("labels-idx1"));
        let (side, bytes) = parse_images(&images.display().to_string(), &read(&images)?)?;
        let labels_of = labels.display().to_string();
        let labels = parse_labels(&labels_of, &read(&labels)?)?;
        if labels.len() * side * side != bytes.len() {
            let why = format!("{} labels for {} images", labels.len(), bytes.len() / (side * side));
            return Err(malformed(&labels_of, "byte 4", why));
        }
        let pixels = bytes.iter().map(|byte| f32::from(*byte) / 255.0).collect();
        halved(Pictures { side, pixels, labels }, &labels_of)?.first(count)
    };
    Ok(Split { train: part("train", train)?, test: part("t10k", test)? })
}

fn read(path: &Path) -> Result<Vec<u8>, DataError> {
    std::fs::read(path).map_err(|why| match why.kind() {
        io::ErrorKind::NotFound => DataError::Missing(path.to_owned()),
        _ => DataError::Read(path.to_owned(), why),
    })
}

/// Unpacks, though never more than [`LARGEST`].
fn unpack(what: &str, packed: &[u8]) -> Result<Vec<u8>, DataError> {
    let mut bytes = Vec::new();
    GzDecoder::new(packed)
        .take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|why| malformed(what, format!("after {} unpacked bytes", bytes.len()), why))?;
    if bytes.len() as u64 > LARGEST {
        return Err(malformed(what, "the whole", format!("unpacks to more than {LARGEST} bytes")));
    }
    Ok(bytes)
}

/// One image a line: 64 pixels from 0 to 16, then the digit.
pub fn parse_digits(what: &str, packed: &[u8]) -> Result<Pictures, DataError> {
    let bytes = unpack(what, packed)?;
    let text = std::str::from_utf8(&bytes).map_err(|why| malformed(what, "the text", why))?;
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for (at, line) in text.lines().enumerate() {
        let place = format!("line {}", at + 1);
        let fields: Vec<&str> = line.split(',').collect();
        if fields.len() != 65 {
            return Err(malformed(what, place, format!("{} numbers, expected 65", fields.len())));
        }
        for (column, field) in fields.iter().enumerate() {
            let (largest, kind) = if column < 64 { (16, "pixel") } else { (9, "digit") };
            let number: u8 = field.parse().map_err(|_| malformed(what, &place, format!("{field:?} is no {kind}")))?;
            if number > largest {
                return Err(malformed(what, place, format!("the {kind} {number}, expected at most {largest}")));
            }
            if column < 64 { pixels.push(f32::from(number) / 16.0) } else { labels.push(u32::from(number)) }
        }
    }
    Ok(Pictures { side: 8, pixels, labels })
}

/// The extents in the header of an IDX file of bytes, and what follows it.
fn parse_idx<'a>(what: &str, bytes: &'a [u8], axes: usize) -> Result<(Vec<usize>, &'a [u8]), DataError> {
    let word = |at: usize| {
        let four = bytes.get(at..at + 4).and_then(|slice| <[u8; 4]>::try_from(slice).ok());
        four.map(u32::from_be_bytes).ok_or_else(|| malformed(what, format!("byte {at}"), "the header ends early"))
    };
    let (magic, wanted) = (word(0)?, 0x0800 | axes as u32);
    if magic != wanted {
        return Err(malformed(what, "byte 0", format!("the magic number is {magic:#x}, expected {wanted:#x}")));
    }
    let extents = (1..=axes).map(|axis| Ok(word(4 * axis)? as usize)).collect::<Result<Vec<usize>, DataError>>()?;
    let body = &bytes[4 + 4 * axes..];
    if extents.iter().try_fold(1usize, |product, extent| product.checked_mul(*extent)) != Some(body.len()) {
        let why = format!("{} bytes follow, expected the product of {extents:?}", body.len());
        return Err(malformed(what, "byte 4", why));
    }
    Ok((extents, body))
}

/// Square images in IDX form: their side and their bytes.
pub fn parse_images(what: &str, packed: &[u8]) -> Result<(usize, Vec<u8>), DataError> {
    let bytes = unpack(what, packed)?;
    let (extents, body) = parse_idx(what, &bytes, 3)?;
    if extents[1] != extents[2] || extents[1] == 0 {
        return Err(malformed(what, "byte 8", format!("{} x {} pixels, expected a square", extents[1], extents[2])));
    }
    Ok((extents[1], body.to_vec()))
}

/// Labels in IDX form.
pub fn parse_labels(what: &str, packed: &[u8]) -> Result<Vec<u32>, DataError> {
    let bytes = unpack(what, packed)?;
    let (_, body) = parse_idx(what, &bytes, 1)?;
    match body.iter().position(|label| usize::from(*label) >= CLASSES) {
        Some(at) => {
            Err(malformed(what, format!("byte {}", at + 8), format!("the label {}, expected 0 to 9", body[at])))
        }
        None => Ok(body.iter().map(|label| u32::from(*label)).collect()),
    }
}

/// Each 2 x 2 pixels averaged to one.
pub fn halved(pictures: Pictures, what: &str) -> Result<Pictures, DataError> {
    if !pictures.side.is_multiple_of(2) {
        return Err(malformed(what, "byte 8", format!("{} pixels a side, expected an even number", pictures.side)));
    }
    let side = pictures.side / 2;
    let mut pixels = Vec::with_capacity(pictures.pixels.len() / 4);
    for index in 0..pictures.len() {
        let old = pictures.picture(index);
        for row in 0..side {
            for column in 0..side {
                let at = 2 * row * pictures.side + 2 * column;
                pixels.push((old[at] + old[at + 1] + old[at + 2 * side] + old[at + 2 * side + 1]) / 4.0);
            }
        }
    }
    Ok(Pictures { side, pixels, labels: pictures.labels })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn pack(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn refusal<T: fmt::Debug>(result: Result<T, DataError>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn the_digits_are_all_there() {
        let all = parse_digits("digits", DIGITS).unwrap();
        assert_eq!((all.len(), all.side, all.pixels.len()), (1797, 8, 1797 * 64));
        // The first line of the file: 0,0,5,13,9,1,...
        assert_eq!(all.pixels[..6], [0.0, 0.0, 5.0 / 16.0, 13.0 / 16.0, 9.0 / 16.0, 1.0 / 16.0]);
        assert_eq!(all.labels[..4], [0, 1, 2, 3]);
        let counts: Vec<usize> = (0..10).map(|c| all.labels.iter().filter(|l| **l == c).count()).collect();
        assert_eq!(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    }

    #[test]
    fn a_split_is_disjoint_and_repeats() {
        let split = digits(1500, 297, 1).unwrap();
        assert_eq!((split.train.len(), split.test.len()), (1500, 297));
        let again = digits(1500, 297, 1).unwrap();
        assert!(split.train == again.train && split.test == again.test);
        assert!(split.test != digits(1500, 297, 2).unwrap().test);
        let mut seen = order(1797, 1, 0);
        assert_ne!(seen, order(1797, 1, 1));
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..1797));
        assert!(matches!(digits(1500, 298, 1), Err(DataError::TooFew(1798, 1797))));
    }

    #[test]
    fn damaged_digits_are_refused_with_their_line() {
        let row = |pixel: &str, digit: &str| format!("{}{digit}\n", format!("{pixel},").repeat(64));
        let parse = |text: String| parse_digits("d", &pack(text.as_bytes()));
        assert_eq!(parse(row("8", "3")).unwrap().pixels, [0.5; 64]);
        assert_eq!(refusal(parse(row("8", "3") + &row("17", "3"))), "d: line 2: the pixel 17, expected at most 16");
        assert_eq!(refusal(parse(row("8", "10"))), "d: line 1: the digit 10, expected at most 9");
        assert_eq!(refusal(parse(row("8", "x"))), "d: line 1: \"x\" is no digit");
        assert_eq!(refusal(parse("1,2\n".into())), "d: line 1: 2 numbers, expected 65");
        assert!(refusal(parse_digits("d", &DIGITS[..1000])).starts_with("d: after "));
        assert!(refusal(parse_digits("d", b"no gzip")).starts_with("d: after 0 unpacked bytes"));
        assert!(refusal(parse_digits("d", &pack(&[0xff; 4]))).starts_with("d: the text"));
        let bomb = pack(&vec![b'1'; LARGEST as usize + 1]);
        assert!(refusal(parse_digits("d", &bomb)).contains("more than"));
    }

    #[test]
    fn idx_files_are_read_and_checked() {
        let images = |magic: u8, sides: [u8; 2], body: &[u8]| {
            let header = [0, 0, 8, magic, 0, 0, 0, 2, 0, 0, 0, sides[0], 0, 0, 0, sides[1]];
            parse_images("i", &pack(&[&header[..], body].concat()))
        };
        assert_eq!(images(3, [2, 2], &[1, 2, 3, 4, 5, 6, 7, 8]).unwrap(), (2, vec![1, 2, 3, 4, 5, 6, 7, 8]));
        assert_eq!(refusal(images(1, [2, 2], &[0; 8])), "i: byte 0: the magic number is 0x801, expected 0x803");
        assert_eq!(refusal(images(3, [2, 2], &[0; 7])), "i: byte 4: 7 bytes follow, expected the product of [2, 2, 2]");
        assert_eq!(refusal(images(3, [2, 1], &[0; 4])), "i: byte 8: 2 x 1 pixels, expected a square");
        let short = parse_images("i", &pack(&[0, 0, 8, 3, 0, 0]));
        assert_eq!(refusal(short), "i: byte 4: the header ends early");
        // Extents whose product does not fit a word.
        let huge = [&[0, 0, 8, 3][..], &[0xff; 12]].concat();
        assert!(refusal(parse_images("i", &pack(&huge))).contains("0 bytes follow"));

        let labels =
            |body: &[u8]| parse_labels("l", &pack(&[&[0, 0, 8, 1, 0, 0, 0, body.len() as u8][..], body].concat()));
        assert_eq!(labels(&[9, 0, 4]).unwrap(), [9, 0, 4]);
        assert_eq!(refusal(labels(&[9, 10])), "l: byte 9: the label 10, expected 0 to 9");
    }

    #[test]
    fn halving_averages_squares() {
        let pixels = (0..16).map(|i| i as f32).collect();
        let old = Pictures { side: 4, pixels, labels: vec![7] };
        let new = halved(old, "p").unwrap();
        // (0 + 1 + 4 + 5) / 4 and so on.
        assert_eq!(new, Pictures { side: 2, pixels: vec![2.5, 4.5, 10.5, 12.5], labels: vec![7] });
        assert!(halved(Pictures { side: 3, pixels: vec![0.0; 9], labels: vec![0] }, "p").is_err());
    }

    #[test]
    fn a_data_set_that_is_not_installed_says_how_to_get_it() {
        let why = refusal(fashion(Path::new("/nowhere"), 1, 1));
        assert!(why.contains("apt install dataset-fashion-mnist") && why.contains("--folder"), "{why}");
    }
}
