//! The JSON header of a safetensors file. It is read by hand, because every complaint names the byte that it is about
//! and every check happens before the first tensor is allocated.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::StoredType;
use crate::error::{Error, ErrorKind, Result};

/// Bytes before the header: its length.
pub(super) const PREFIX: usize = 8;

/// What the format allows.
pub(super) const MAX_HEADER: usize = 100_000_000;

/// PyTorch and NumPy have no more axes.
const MAX_RANK: usize = 64;

/// The key of the strings that describe the file.
pub(super) const METADATA: &str = "__metadata__";

/// One tensor of the header.
pub(super) struct Entry {
    pub name: String,
    pub dtype: StoredType,
    pub shape: Vec<usize>,
    /// Bytes after the header.
    pub begin: usize,
    pub end: usize,
    /// Where in the header the two numbers stand.
    at: usize,
}

/// Tensors in the order of their data, which they fill without gaps.
pub(super) struct Header {
    pub entries: Vec<Entry>,
    pub metadata: BTreeMap<String, String>,
}

/// A complaint about the byte at `offset` of the file.
pub(super) fn bad(offset: usize, message: impl fmt::Display) -> Error {
    Error::new(ErrorKind::File, format!("safetensors: byte {offset}: {message}"))
}

/// The length of the header of a file of `file` bytes that begins with `prefix`.
pub(super) fn length(prefix: [u8; PREFIX], file: u64) -> Result<usize> {
    let stated = u64::from_le_bytes(prefix);
    if stated > MAX_HEADER as u64 {
        return Err(bad(0, format!("the header has {stated} bytes, the format allows {MAX_HEADER}")));
    }
    let rest = file.saturating_sub(PREFIX as u64);
    if stated > rest {
        return Err(bad(0, format!("the header has {stated} bytes, the file only {rest} after this number")));
    }
    // It is at most MAX_HEADER, which fits everywhere.
    Ok(stated as usize)
}

/// Reads the header `text`, which `data` bytes of tensors follow.
pub(super) fn parse(text: &[u8], data: u64) -> Result<Header> {
    if let Err(why) = std::str::from_utf8(text) {
        return Err(bad(PREFIX + why.valid_up_to(), "the header is not UTF-8"));
    }
    let mut parser = Parser { text, at: 0 };
    // Padding belongs behind the header, not before it.
    if parser.peek() != Some(b'{') {
        return Err(parser.complain("the header begins with `{`"));
    }
    let mut metadata = None;
    let (mut entries, mut names) = (Vec::new(), BTreeSet::new());
    parser.members(&mut |parser, key, at| {
        if key == METADATA {
            if metadata.is_some() {
                return Err(bad(at, format!("a second `{METADATA}`")));
            }
            metadata = Some(parser.strings()?);
            return Ok(());
        }
        if !names.insert(key.clone()) {
            return Err(bad(at, format!("a second tensor `{key}`")));
        }
        entries.push(parser.entry(key, at)?);
        Ok(())
    })?;
    parser.space();
    if parser.at < text.len() {
        return Err(parser.complain("nothing but white space follows the header's last `}`"));
    }
    place(&mut entries, PREFIX + text.len(), data)?;
    Ok(Header { entries, metadata: metadata.unwrap_or_default() })
}

/// Puts the entries in the order of their data and checks that they tile it.
fn place(entries: &mut [Entry], base: usize, data: u64) -> Result<()> {
    entries.sort_by_key(|entry| (entry.begin, entry.end));
    let (mut next, mut before) = (0, "");
    for entry in entries.iter() {
        let Entry { name, begin, end, at, .. } = entry;
        if *end as u64 > data {
            let message = format!("tensor `{name}` ends at byte {end} of the data, the file has {data} bytes of data");
            return Err(bad(*at, message));
        }
        if *begin < next {
            let message = format!("tensor `{name}` begins at byte {begin} of the data, within `{before}` up to {next}");
            return Err(bad(*at, message));
        }
        if *begin > next {
            let message = format!("tensor `{name}` begins at byte {begin} of the data, nothing holds bytes {next} on");
            return Err(bad(*at, message));
        }
        (next, before) = (*end, name);
    }
    if (next as u64) < data {
        // The end of a file that exists is a number that fits.
        return Err(bad(base + next, format!("{} bytes follow the last tensor", data - next as u64)));
    }
    Ok(())
}

/// Reads JSON from a place of a text that is UTF-8.
struct Parser<'a> {
    text: &'a [u8],
    at: usize,
}

type Member<'f> = dyn FnMut(&mut Parser, String, usize) -> Result<()> + 'f;

impl Parser<'_> {
    /// The file's byte that is read next.
    fn offset(&self) -> usize {
        PREFIX + self.at
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// What was found in place of what was `expected`.
    fn complain(&self, expected: &str) -> Error {
        let found = match self.peek() {
            None => "the header ends".to_owned(),
            Some(byte) if byte.is_ascii_graphic() => format!("found `{}`", byte as char),
            Some(byte) => format!("found byte {byte:#04x}"),
        };
        bad(self.offset(), format!("{found}; {expected}"))
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn demand(&mut self, byte: u8, expected: &str) -> Result<()> {
        self.space();
        if self.peek() != Some(byte) {
            return Err(self.complain(expected));
        }
        self.at += 1;
        Ok(())
    }

    /// An object; `each` reads the value of a key, which stood at the offset that it is told.
    fn members(&mut self, each: &mut Member) -> Result<()> {
        self.demand(b'{', "an object begins with `{`")?;
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.space();
            let at = self.offset();
            let key = self.string()?;
            self.demand(b':', "a `:` follows a key")?;
            self.space();
            each(self, key, at)?;
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return Err(self.complain("a `,` or a `}` follows a value")),
            }
        }
        self.at += 1;
        Ok(())
    }

    /// An object of strings.
    fn strings(&mut self) -> Result<BTreeMap<String, String>> {
        let mut strings = BTreeMap::new();
        self.members(&mut |parser, key, at| {
            let value = parser.string()?;
            if strings.contains_key(&key) {
                return Err(bad(at, format!("`{METADATA}` has a second `{key}`")));
            }
            strings.insert(key, value);
            Ok(())
        })?;
        Ok(strings)
    }

    /// `{"dtype": .., "shape": [..], "data_offsets": [.., ..]}` in any order; `key` is the tensor's name.
    fn entry(&mut self, name: String, key: usize) -> Result<Entry> {
        let (mut dtype, mut shape, mut offsets) = (None, None, None);
        self.members(&mut |parser, field, at| {
            let second = match field.as_str() {
                "dtype" => dtype.replace(parser.dtype(&name)?).is_some(),
                "shape" => shape.replace(parser.numbers(MAX_RANK)?).is_some(),
                "data_offsets" => {
                    let start = parser.offset();
                    offsets.replace((parser.numbers(2)?, start)).is_some()
                }
                _ => return Err(bad(at, format!("tensor `{name}` has an unknown field `{field}`"))),
            };
            if second { Err(bad(at, format!("tensor `{name}` has a second `{field}`"))) } else { Ok(()) }
        })?;
        let missing = |field: &str| bad(key, format!("tensor `{name}` has no `{field}`"));
        let dtype = dtype.ok_or_else(|| missing("dtype"))?;
        let shape = shape.ok_or_else(|| missing("shape"))?;
        let (offsets, at) = offsets.ok_or_else(|| missing("data_offsets"))?;
        let [begin, end] = offsets[..] else {
            return Err(bad(at, format!("tensor `{name}` has {} data_offsets, expected 2", offsets.len())));
        };
        if begin > end {
            return Err(bad(
                at,
                format!("tensor `{name}` ends at byte {end} of the data, before it begins at {begin}"),
            ));
        }
        let Some(bytes) = bytes(dtype, &shape) else {
            return Err(bad(key, format!("tensor `{name}` has more bytes than can be counted: {dtype} {shape:?}")));
        };
        if end - begin != bytes {
            let held = end - begin;
            return Err(bad(at, format!("tensor `{name}` has {held} bytes of data, {dtype} {shape:?} takes {bytes}")));
        }
        Ok(Entry { name, dtype, shape, begin, end, at })
    }

    fn dtype(&mut self, name: &str) -> Result<StoredType> {
        let at = self.offset();
        let word = self.string()?;
        StoredType::parse(&word).ok_or_else(|| bad(at, format!("tensor `{name}` has the unknown dtype `{word}`")))
    }

    /// At most `most` numbers in brackets.
    fn numbers(&mut self, most: usize) -> Result<Vec<usize>> {
        self.demand(b'[', "a list begins with `[`")?;
        let mut numbers = Vec::new();
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(numbers);
        }
        loop {
            self.space();
            if numbers.len() == most {
                return Err(bad(self.offset(), format!("a list with more than {most} numbers")));
            }
            numbers.push(self.number()?);
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return Err(self.complain("a `,` or a `]` follows a number")),
            }
        }
        self.at += 1;
        Ok(numbers)
    }

    /// A whole number, not negative, without sign, point or exponent.
    fn number(&mut self) -> Result<usize> {
        let start = self.offset();
        let mut number = 0usize;
        let mut digits = 0;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            if digits > 0 && number == 0 {
                return Err(bad(start, "a number with a leading zero"));
            }
            let next = number.checked_mul(10).and_then(|n| n.checked_add(usize::from(digit - b'0')));
            number = next.ok_or_else(|| bad(start, "a number too large to count with"))?;
            digits += 1;
            self.at += 1;
        }
        if digits == 0 || matches!(self.peek(), Some(b'.' | b'e' | b'E')) {
            return Err(self.complain("extents and offsets are whole numbers and not negative"));
        }
        Ok(number)
    }

    fn string(&mut self) -> Result<String> {
        if self.peek() != Some(b'"') {
            return Err(self.complain("a string begins with a quote"));
        }
        let start = self.offset();
        self.at += 1;
        let mut bytes = Vec::new();
        loop {
            match self.peek() {
                None => return Err(bad(start, "a string without an end")),
                Some(b'"') => break,
                Some(b'\\') => {
                    let mut utf8 = [0; 4];
                    bytes.extend_from_slice(self.escape()?.encode_utf8(&mut utf8).as_bytes());
                }
                Some(0..0x20) => return Err(self.complain("a string holds no control characters")),
                Some(byte) => {
                    bytes.push(byte);
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        // The text is UTF-8 and is only ever cut at ASCII.
        String::from_utf8(bytes).map_err(|_| bad(start, "a string that is not UTF-8"))
    }

    fn escape(&mut self) -> Result<char> {
        let start = self.offset();
        self.at += 1;
        let plain = match self.peek() {
            Some(c @ (b'"' | b'\\' | b'/')) => c as char,
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.code_point(start),
            _ => return Err(bad(start, "an unknown escape")),
        };
        self.at += 1;
        Ok(plain)
    }

    /// `uXXXX`, or two of them for a character beyond 16 bits.
    fn code_point(&mut self, start: usize) -> Result<char> {
        let high = self.hex(start)?;
        let code = if (0xD800..0xDC00).contains(&high) && self.text[self.at..].starts_with(b"\\u") {
            self.at += 1;
            match self.hex(start)? {
                low @ 0xDC00..0xE000 => 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00),
                _ => high,
            }
        } else {
            high
        };
        char::from_u32(code).ok_or_else(|| bad(start, "half of a surrogate pair"))
    }

    /// `uXXXX`.
    fn hex(&mut self, start: usize) -> Result<u32> {
        let digits = self
            .text
            .get(self.at + 1..self.at + 5)
            .and_then(|d| d.iter().try_fold(0, |code, byte| Some(code << 4 | (*byte as char).to_digit(16)?)));
        self.at += 5;
        digits.ok_or_else(|| bad(start, "`\\u` without four hexadecimal digits"))
    }
}

/// Bytes of a tensor; nothing where they, or the product of the extents that are not zero, cannot be counted.
pub(super) fn bytes(dtype: StoredType, shape: &[usize]) -> Option<usize> {
    let counted = shape.iter().filter(|extent| **extent > 0).try_fold(dtype.size(), |n, e| n.checked_mul(*e))?;
    Some(if shape.contains(&0) { 0 } else { counted })
}

/// Appends `text` as a JSON string.
pub(super) fn quote(text: &str, json: &mut String) {
    json.push('"');
    for c in text.chars() {
        match c {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            '\u{8}' => json.push_str("\\b"),
            '\u{c}' => json.push_str("\\f"),
            '\0'..='\u{1f}' => json.push_str(&format!("\\u{:04x}", c as u32)),
            _ => json.push(c),
        }
    }
    json.push('"');
}
