//! Files of weights: what is well formed comes back as it was, whoever wrote it; what is not is refused with the byte
//! that is wrong, and costs no memory.

#![cfg(feature = "weights")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::HashMap;
use std::path::PathBuf;

use kuramoto::ErrorKind;
use kuramoto::weights::{Stored, StoredType, Weights};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

/// Counts what the calling thread asks for.
struct Counting;

thread_local! {
    static ASKED: Cell<usize> = const { Cell::new(0) };
}

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ASKED.try_with(|asked| asked.set(asked.get() + layout.size()));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes that `f` asks for, those that it gives back included.
fn asked<T>(f: impl FnOnce() -> T) -> (T, usize) {
    let before = ASKED.with(Cell::get);
    let value = f();
    (value, ASKED.with(Cell::get) - before)
}

/// A file of this header and so many bytes of data.
fn file(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

/// A file whose length and header are bytes of any kind.
fn raw(length: u64, rest: &[u8]) -> Vec<u8> {
    [&length.to_le_bytes()[..], rest].concat()
}

const A: &str = r#""a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#;

/// What is wrong, the file, where, and words of the complaint. Where is said by `§` in the header, which is not part of it.
fn bad_files() -> Vec<(&'static str, Vec<u8>, usize, &'static str)> {
    let mut files = vec![
        ("empty file", vec![], 0, "ends within its first 8 bytes"),
        ("cut within the length", vec![2, 0, 0], 3, "ends within its first 8 bytes"),
        ("nothing after the length", raw(2, b""), 0, "the header has 2 bytes, the file only 0"),
        ("header past the end", raw(100, b"{}"), 0, "the header has 100 bytes, the file only 2"),
        ("header of all ones", raw(u64::MAX, b"{}"), 0, "the format allows 100000000"),
        ("header over the limit", raw(100_000_001, b"{}"), 0, "the format allows 100000000"),
        ("header of no bytes", raw(0, b""), 8, "the header ends; the header begins with `{`"),
        ("not UTF-8", raw(5, b"{\"\xff\":"), 10, "not UTF-8"),
        ("UTF-8 cut short", raw(4, b"{\"\xe2\x82"), 10, "not UTF-8"),
        ("a zip archive", raw(8, b"PK\x03\x04\x14\0\0\0"), 8, "found `P`; the header begins with `{`"),
        ("a byte too many", file(&format!("{{{A}}}"), 9), 8 + A.len() + 2 + 8, "1 bytes follow the last tensor"),
        ("data without tensors", file("{}", 4), 10, "4 bytes follow the last tensor"),
    ];
    let mut header = |what: &'static str, marked: &str, data: usize, words: &'static str| {
        let at = marked.find('§').unwrap_or_else(|| panic!("{what}: no mark"));
        files.push((what, file(&marked.replace('§', ""), data), 8 + at, words));
    };
    header("an array", "§[]", 0, "the header begins with `{`");
    header("white space before the header", "§ {}", 0, "the header begins with `{`");
    header("a second value", "{} §{}", 0, "nothing but white space follows");
    header("no end", r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}§"#, 8, "the header ends");
    header("a string without end", "{§\"a", 0, "a string without an end");
    header("a key that is no string", "{§1:2}", 0, "a string begins with a quote");
    header("no colon", r#"{"a"§,"b"}"#, 0, "a `:` follows a key");
    header("a comma before the end", &format!("{{{A},§}}"), 8, "a string begins with a quote");
    header("a comment", &format!("{{§/* */{A}}}"), 8, "found `/`");
    header("an unknown escape", r#"{"a§\x":{}}"#, 0, "an unknown escape");
    header("half of a surrogate pair", r#"{"§\ud834":{}}"#, 0, "half of a surrogate pair");
    header("too few digits", r#"{"§\u12"#, 0, "without four hexadecimal digits");
    header("a control character in a name", "{\"a§\u{0}\":{}}", 0, "control characters");
    header("an entry that is no object", r#"{"a":§[0,8]}"#, 8, "an object begins with `{`");
    header("nesting", &format!(r#"{{"a":{{"shape":[§{}]}}}}"#, "[".repeat(100_000)), 0, "whole numbers");
    header("a tensor twice", &format!("{{{A},§{A}}}"), 8, "a second tensor `a`");
    let escaped = A.replacen('a', r"\u0061", 1);
    header("a tensor twice, once escaped", &format!("{{{A},§{escaped}}}"), 8, "a second tensor `a`");
    header("metadata twice", r#"{"__metadata__":{},§"__metadata__":{}}"#, 0, "a second `__metadata__`");
    header("a string of metadata twice", r#"{"__metadata__":{"k":"1",§"k":"2"}}"#, 0, "a second `k`");
    header("metadata that is no string", r#"{"__metadata__":{"k":§1}}"#, 0, "a string begins with a quote");
    header("metadata that is nothing", r#"{"__metadata__":§null}"#, 0, "an object begins with `{`");
    // From here on one field of one entry is wrong.
    let mut fields = |what: &'static str, fields: &str, data: usize, words: &'static str| {
        header(what, &format!(r#"{{"a":{{{fields}}}}}"#), data, words);
    };
    fields("an unknown dtype", r#""dtype":§"F33","shape":[2],"data_offsets":[0,8]"#, 8, "unknown dtype `F33`");
    fields("a dtype in small letters", r#""dtype":§"f32","shape":[2],"data_offsets":[0,8]"#, 8, "unknown dtype `f32`");
    fields("a dtype that is a number", r#""dtype":§3,"shape":[2],"data_offsets":[0,8]"#, 8, "a string begins");
    fields("a field twice", r#""dtype":"F32","shape":[2],§"shape":[2],"data_offsets":[0,8]"#, 8, "a second `shape`");
    fields("an unknown field", r#""dtype":"F32","shape":[2],"data_offsets":[0,8],§"x":0"#, 8, "unknown field `x`");
    fields("an extent below zero", r#""dtype":"F32","shape":[§-2],"data_offsets":[0,8]"#, 8, "not negative");
    fields("an extent with a point", r#""dtype":"F32","shape":[2§.0],"data_offsets":[0,8]"#, 8, "whole numbers");
    fields("an extent in a string", r#""dtype":"F32","shape":[§"2"],"data_offsets":[0,8]"#, 8, "whole numbers");
    fields("an extent with zeros", r#""dtype":"F32","shape":[§02],"data_offsets":[0,8]"#, 8, "leading zero");
    fields("a shape that is a number", r#""dtype":"F32","shape":§2,"data_offsets":[0,8]"#, 8, "begins with `[`");
    let extent = "99999999999999999999999";
    let huge = format!(r#""dtype":"F32","shape":[§{extent}],"data_offsets":[0,8]"#);
    fields("an extent beyond 64 bits", &huge, 8, "too large to count");
    let axes = format!(r#""dtype":"F32","shape":[{}§1],"data_offsets":[0,8]"#, "1,".repeat(64));
    fields("65 axes", &axes, 8, "more than 64 numbers");
    fields("three offsets", r#""dtype":"F32","shape":[2],"data_offsets":[0,8,§8]"#, 8, "more than 2 numbers");
    fields("one offset", r#""dtype":"F32","shape":[2],"data_offsets":§[8]"#, 8, "has 1 data_offsets, expected 2");
    fields("an end before the begin", r#""dtype":"F32","shape":[2],"data_offsets":§[8,0]"#, 8, "before it begins");
    fields("too few bytes", r#""dtype":"F32","shape":[3],"data_offsets":§[0,8]"#, 8, "F32 [3] takes 12");
    fields("too many bytes", r#""dtype":"F16","shape":[2],"data_offsets":§[0,8]"#, 8, "F16 [2] takes 4");
    fields("a scalar of nothing", r#""dtype":"F32","shape":[],"data_offsets":§[0,0]"#, 0, "F32 [] takes 4");
    fields("past the end", r#""dtype":"F32","shape":[2],"data_offsets":§[0,8]"#, 4, "the file has 4 bytes of data");
    fields("a gap at the start", r#""dtype":"F32","shape":[1],"data_offsets":§[4,8]"#, 8, "nothing holds bytes 0 on");
    fields(
        "a terabyte",
        r#""dtype":"F32","shape":[268435456,1024],"data_offsets":§[0,1099511627776]"#,
        8,
        "8 bytes of data",
    );
    // The entry as a whole is wrong: its key is named.
    let mut entry = |what: &'static str, fields: &str, words: &'static str| {
        header(what, &format!(r#"{{§"a":{{{fields}}}}}"#), 8, words);
    };
    entry("no dtype", r#""shape":[2],"data_offsets":[0,8]"#, "has no `dtype`");
    entry("no shape", r#""dtype":"F32","data_offsets":[0,8]"#, "has no `shape`");
    entry("no offsets", r#""dtype":"F32","shape":[2]"#, "has no `data_offsets`");
    let product = r#""dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]"#;
    entry("extents whose product wraps to zero", product, "more bytes than can be counted");
    let product = r#""dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]"#;
    entry("bytes that wrap to zero", product, "more bytes than can be counted");
    let product = r#""dtype":"F32","shape":[0,4294967296,4294967296],"data_offsets":[0,0]"#;
    entry("an overflow behind a zero", product, "more bytes than can be counted");
    // Two tensors that do not fit each other.
    let mut second = |what: &'static str, shape: &str, offsets: &str, data: usize, words: &'static str| {
        let b = format!(r#""b":{{"dtype":"F32","shape":{shape},"data_offsets":§{offsets}}}"#);
        header(what, &format!("{{{A},{b}}}"), data, words);
    };
    second("overlap", "[2]", "[4,12]", 12, "begins at byte 4 of the data, within `a` up to 8");
    second("overlap within", "[1]", "[4,8]", 8, "within `a` up to 8");
    second("the same place", "[2]", "[0,8]", 8, "within `a` up to 8");
    second("nothing, in the middle of another", "[0]", "[4,4]", 8, "within `a` up to 8");
    second("a gap", "[1]", "[12,16]", 16, "nothing holds bytes 8 on");
    second("the last past the end", "[2]", "[8,16]", 12, "the file has 12 bytes of data");
    files
}

#[test]
fn bad_files_are_refused_with_the_byte_that_is_wrong() {
    let files = bad_files();
    assert!(files.len() >= 40, "{}", files.len());
    for (what, bytes, offset, words) in files {
        let (result, asked) = asked(|| Weights::from_bytes(&bytes));
        let error = result.err().unwrap_or_else(|| panic!("{what} was read"));
        assert_eq!(error.kind(), ErrorKind::File, "{what}: {error}");
        let said = error.to_string();
        assert!(said.contains(words), "{what}: {said}");
        assert!(said.contains(&format!("byte {offset}: ")), "{what} is at byte {offset}: {said}");
        assert!(said.len() < 300, "{what}: {} letters", said.len());
        assert!(asked < 8 * bytes.len() + 4096, "{what}: asked for {asked} bytes over a file of {}", bytes.len());
    }
}

/// A folder of its own for a test, gone when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("kuramoto-weights-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn files_are_refused_as_their_contents_are_and_named() {
    let scratch = Scratch::new("bad");
    for (i, (what, bytes, offset, words)) in bad_files().into_iter().enumerate() {
        let path = scratch.0.join(format!("{i}.safetensors"));
        std::fs::write(&path, bytes).unwrap();
        let error = Weights::read(&path).err().unwrap_or_else(|| panic!("{what} was read"));
        let said = error.to_string();
        let named = said.starts_with(&path.display().to_string());
        assert!(named && said.contains(words) && said.contains(&format!("byte {offset}: ")), "{what}: {said}");
    }
    for path in [scratch.0.join("no such file"), scratch.0.clone()] {
        let error = Weights::read(&path).unwrap_err();
        assert!(error.kind() == ErrorKind::File && error.to_string().contains("cannot be"), "{error}");
        assert_eq!(Weights::new().write(path.join("no such folder/x")).unwrap_err().kind(), ErrorKind::File);
    }
}

/// The file is as large as it says, so that only the order of the checks keeps the memory.
#[test]
fn a_large_file_costs_nothing_before_it_is_known_to_be_good() {
    let scratch = Scratch::new("sparse");
    let path = scratch.0.join("sparse.safetensors");
    let size = 1u64 << 36;
    let header = format!(r#"{{"a":{{"dtype":"U8","shape":[{size}],"data_offsets":[0,{size}]}}}}"#);
    std::fs::write(&path, file(&header, 0)).unwrap();
    let sparse = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    // One byte more than the tensor has.
    sparse.set_len(8 + header.len() as u64 + size + 1).unwrap();
    let (error, asked) = asked(|| Weights::read(&path).unwrap_err());
    assert!(error.to_string().contains("1 bytes follow the last tensor"), "{error}");
    assert!(asked < 16384, "{asked}");
}

/// Every type, a scalar, nothing, many axes, names that need escapes.
fn specimen() -> Weights {
    let mut weights = Weights::new();
    let types = [
        StoredType::Bool,
        StoredType::U8,
        StoredType::I8,
        StoredType::I16,
        StoredType::U16,
        StoredType::F16,
        StoredType::BF16,
        StoredType::I32,
        StoredType::U32,
        StoredType::F32,
        StoredType::F64,
        StoredType::I64,
        StoredType::U64,
    ];
    for (i, dtype) in types.into_iter().enumerate() {
        let bytes = (0..6 * dtype.size()).map(|b| if dtype == StoredType::Bool { 1 } else { (b * 7 + i) as u8 });
        weights.insert(dtype.to_string(), Stored::from_bytes(dtype, bytes.collect(), &[2, 3]).unwrap()).unwrap();
    }
    weights.insert("scalar", Stored::from_f32(&[1.5], &[]).unwrap()).unwrap();
    weights.insert("nothing", Stored::from_f32(&[], &[4, 0, 2]).unwrap()).unwrap();
    weights.insert("axes", Stored::from_i64(&[-3], &[1; 64]).unwrap()).unwrap();
    weights.insert("a\"\\/\u{1}\n\té𝄞 z", Stored::from_f32(&[f32::NAN, f32::INFINITY, -0.0], &[3]).unwrap()).unwrap();
    weights.insert("", Stored::from_i32(&[i32::MIN], &[1]).unwrap()).unwrap();
    weights
}

#[test]
fn what_was_written_is_read() {
    let scratch = Scratch::new("round");
    let mut weights = specimen();
    weights.metadata.insert("format".into(), "pt".into());
    weights.metadata.insert("say \"é\"".into(), "a\nb".into());
    let bytes = weights.to_bytes().unwrap();
    assert_eq!(bytes, Weights::from_bytes(&bytes).unwrap().to_bytes().unwrap());
    let path = scratch.0.join("w.safetensors");
    // In the place of what was there, and leaving nothing beside it.
    std::fs::write(&path, "old").unwrap();
    weights.write(&path).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    assert_eq!(std::fs::read_dir(&scratch.0).unwrap().count(), 1);
    let again = Weights::read(&path).unwrap();
    assert_eq!(again.metadata, weights.metadata);
    let same = |(a, b): ((&str, &Stored), (&str, &Stored))| {
        a.0 == b.0 && a.1.dtype() == b.1.dtype() && a.1.shape() == b.1.shape() && a.1.bytes() == b.1.bytes()
    };
    assert!(again.len() == weights.len() && again.iter().zip(weights.iter()).all(same));
    let empty = Weights::from_bytes(&Weights::new().to_bytes().unwrap()).unwrap();
    assert!(empty.is_empty() && empty.metadata.is_empty());
}

/// White space, fields in another order, escapes that are not needed, tensors that are not in the order of their data.
#[test]
fn a_header_may_be_written_in_other_ways() {
    let header = "{\n \"b\" : { \"data_offsets\" : [ 4 , 8 ] , \"shape\" : [ 1 ] , \"dtype\" : \"F32\" } ,\t\r\n \
                  \"\\u0061\\/\\ud834\\udd1e\":{\"dtype\":\"\\u00463\\u0032\",\"shape\":[],\"data_offsets\":[0,4]},\
                  \"e\":{\"dtype\":\"I64\",\"shape\":[0],\"data_offsets\":[8,8]},\
                  \"d\":{\"dtype\":\"I64\",\"shape\":[2,0],\"data_offsets\":[4,4]}}  \n ";
    let mut bytes = file(header, 8);
    let at = bytes.len() - 8;
    bytes[at..].copy_from_slice(&[1.0f32.to_le_bytes(), 2.0f32.to_le_bytes()].concat());
    let weights = Weights::from_bytes(&bytes).unwrap();
    assert_eq!(weights.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["a/𝄞", "b", "d", "e"]);
    assert_eq!(weights.require("a/𝄞").unwrap().to_f32().unwrap(), [1.0]);
    assert_eq!(weights.require("b").unwrap().to_f32().unwrap(), [2.0]);
    assert_eq!(weights.require("d").unwrap().shape(), [2, 0]);
}

fn as_crate(dtype: StoredType) -> Dtype {
    match dtype {
        StoredType::Bool => Dtype::BOOL,
        StoredType::U8 => Dtype::U8,
        StoredType::I8 => Dtype::I8,
        StoredType::I16 => Dtype::I16,
        StoredType::U16 => Dtype::U16,
        StoredType::F16 => Dtype::F16,
        StoredType::BF16 => Dtype::BF16,
        StoredType::I32 => Dtype::I32,
        StoredType::U32 => Dtype::U32,
        StoredType::F32 => Dtype::F32,
        StoredType::F64 => Dtype::F64,
        StoredType::I64 => Dtype::I64,
        StoredType::U64 => Dtype::U64,
        other => panic!("{other}"),
    }
}

fn by_crate(weights: &Weights) -> Vec<u8> {
    let tensors = weights.iter().map(|(name, stored)| {
        let view = TensorView::new(as_crate(stored.dtype()), stored.shape().to_vec(), stored.bytes()).unwrap();
        (name.to_owned(), view)
    });
    let metadata: Vec<_> = weights.metadata.clone().into_iter().collect();
    let metadata = if metadata.is_empty() { None } else { Some(metadata.into_iter().collect()) };
    safetensors::serialize(tensors, metadata).unwrap()
}

/// Whether the crate reads the same tensors from `bytes`.
fn crate_agrees(weights: &Weights, bytes: &[u8]) -> bool {
    let Ok(theirs) = SafeTensors::deserialize(bytes) else { return false };
    let (_, header) = SafeTensors::read_metadata(bytes).unwrap();
    let metadata: HashMap<_, _> = header.metadata().iter().flatten().collect();
    let same = |(name, stored): (&str, &Stored)| {
        let view = theirs.tensor(name).unwrap();
        (view.dtype(), view.shape(), view.data()) == (as_crate(stored.dtype()), stored.shape(), stored.bytes())
    };
    let described = weights.metadata.iter().all(|(key, value)| metadata.get(key) == Some(&value));
    theirs.len() == weights.len() && weights.iter().all(same) && described && metadata.len() == weights.metadata.len()
}

#[test]
fn the_crate_writes_and_reads_the_same() {
    let mut weights = specimen();
    assert_eq!(weights.to_bytes().unwrap(), by_crate(&weights));
    weights.metadata.insert("format".into(), "pt".into());
    let bytes = by_crate(&weights);
    assert_eq!(weights.to_bytes().unwrap(), bytes);
    assert!(crate_agrees(&Weights::from_bytes(&bytes).unwrap(), &bytes));
}

#[test]
fn golden_files_are_read() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    // The published package does without them.
    let entries = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    for path in entries.filter(|path| path.extension().is_some_and(|e| e == "safetensors")) {
        let weights = Weights::read(&path).unwrap();
        assert!(weights.metadata.contains_key("case") && weights.len() > 3, "{}", path.display());
        assert!(crate_agrees(&weights, &std::fs::read(&path).unwrap()), "{}", path.display());
    }
}

/// As `safetensors.numpy.save` of Python, version 0.8.0, wrote it.
#[test]
fn a_file_written_in_python_is_read() {
    let header = concat!(
        r#"{"__metadata__":{"format":"np"},"i64":{"dtype":"I64","shape":[1,2],"data_offsets":[0,16]},"#,
        r#""é":{"dtype":"F64","shape":[1],"data_offsets":[16,24]},"#,
        r#""empty":{"dtype":"F32","shape":[0,3],"data_offsets":[24,24]},"#,
        r#""scalar":{"dtype":"F32","shape":[],"data_offsets":[24,28]},"#,
        r#""half":{"dtype":"F16","shape":[2],"data_offsets":[28,32]}}    "#,
    );
    let data = b"\x01\0\0\0\0\0\0\0\xfe\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\xe8?\0\0 @\0<f.";
    let bytes = [file(header, 0), data.to_vec()].concat();
    let weights = Weights::from_bytes(&bytes).unwrap();
    let floats = |name: &str| weights.require(name).unwrap().to_f32().unwrap();
    assert_eq!((floats("scalar"), floats("é"), floats("empty")), (vec![2.5], vec![0.75], vec![]));
    assert_eq!(floats("half"), [1.0, 0.099975586]);
    assert_eq!(weights.require("i64").unwrap().to_i64().unwrap(), [1, -2]);
    assert_eq!(weights.metadata["format"], "np");
    assert_eq!(weights.to_bytes().unwrap(), bytes);
}

/// A generator of 64-bit numbers by Marsaglia (2003).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 11) % n as u64) as usize
    }
}

/// Whatever is done to a file, it is read or refused; and what is read, the crate reads in the same way.
#[test]
fn damaged_files_are_read_or_refused() {
    let mut weights = specimen();
    weights.metadata.insert("format".into(), "pt".into());
    let good = weights.to_bytes().unwrap();
    let header = 8 + u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
    let (mut read, mut refused) = (0, 0);
    let mut judge = |bytes: &[u8]| {
        let (result, asked) = asked(|| Weights::from_bytes(bytes));
        assert!(asked < 8 * bytes.len() + 65536, "asked for {asked} bytes");
        match result {
            Ok(weights) => {
                assert!(crate_agrees(&weights, bytes), "{:?}", String::from_utf8_lossy(bytes));
                read += 1;
            }
            Err(error) => {
                assert!(error.kind() == ErrorKind::File && error.to_string().contains("byte "), "{error}");
                refused += 1;
            }
        }
    };
    for length in 0..good.len() {
        judge(&good[..length]);
    }
    // Digits and punctuation do more harm than arbitrary bytes.
    let telling = b"0123456789[]{},:\"\\-.eu \x00\xff";
    for round in 0..12000 {
        let mut bytes = good.clone();
        for _ in 0..1 + round % 3 {
            let at = numbers.below(if round % 4 == 0 { bytes.len() } else { header });
            match numbers.below(5) {
                0 => bytes[at] ^= 1 << numbers.below(8),
                1 => bytes[at] = telling[numbers.below(telling.len())],
                2 => bytes.insert(at, telling[numbers.below(telling.len())]),
                3 => drop(bytes.remove(at)),
                _ => {
                    // A piece of the header over another.
                    let from = 8 + numbers.below(header - 8);
                    let length = numbers.below(40).min(header - from).min(bytes.len() - at);
                    bytes.copy_within(from..from + length, at);
                }
            }
        }
        // As if the writer had meant it, so that the JSON is reached.
        if round % 2 == 0 {
            let length = bytes.len().saturating_sub(good.len() - header).saturating_sub(8) as u64;
            bytes[..8].copy_from_slice(&length.to_le_bytes());
        }
        judge(&bytes);
    }
    assert!(read > 200 && refused > 5000, "{read} read, {refused} refused");
}

#[test]
fn f16_is_widened_and_rounded() {
    let numbers = [0.0, -0.0, 1.0, 0.1, -65504.0, 6e-8, f32::INFINITY, f32::NAN];
    let mut weights = Weights::new();
    weights.insert("w", Stored::from_f32(&numbers, &[2, 4]).unwrap()).unwrap();
    weights.insert("count", Stored::from_i64(&[7], &[]).unwrap()).unwrap();
    for (dtype, size) in [(StoredType::F16, 2), (StoredType::BF16, 2), (StoredType::F32, 4)] {
        let cast = Weights::from_bytes(&weights.cast(dtype).unwrap().to_bytes().unwrap()).unwrap();
        let stored = cast.require("w").unwrap();
        assert_eq!((stored.dtype(), stored.shape(), stored.bytes().len()), (dtype, &[2, 4][..], 8 * size));
        let wide = stored.to_f32().unwrap();
        for (a, b) in wide.iter().zip(&numbers) {
            let rounded = match dtype {
                StoredType::F16 => half::f16::from_f32(*b).to_f32(),
                StoredType::BF16 => half::bf16::from_f32(*b).to_f32(),
                _ => *b,
            };
            assert!(a.to_bits() == rounded.to_bits() || a.is_nan() && b.is_nan(), "{dtype}: {a} for {b}");
        }
        // Rounding twice is rounding once.
        assert_eq!(cast.cast(StoredType::F32).unwrap().cast(dtype).unwrap(), cast.clone().cast(dtype).unwrap());
        assert_eq!(cast.require("count").unwrap().to_i64().unwrap(), [7]);
    }
}

#[test]
fn numbers_that_do_not_fit_are_refused() {
    let kind = |result: kuramoto::Result<Vec<f32>>| result.unwrap_err().kind();
    let large = Stored::from_f32(&[1.0, 65520.0], &[2]).unwrap();
    let error = large.cast(StoredType::F16).unwrap_err();
    assert!(error.kind() == ErrorKind::Param && error.to_string().contains("65520"), "{error}");
    assert_eq!(large.cast(StoredType::I32).unwrap_err().kind(), ErrorKind::DType);
    let mut weights = Weights::new();
    weights.insert("layers.0.w", large).unwrap();
    assert!(weights.cast(StoredType::F16).unwrap_err().to_string().contains("`layers.0.w`"));
    let f64s = |v: f64| Stored::from_bytes(StoredType::F64, v.to_le_bytes().to_vec(), &[]).unwrap();
    assert_eq!(f64s(0.1).to_f32().unwrap(), [0.1]);
    assert_eq!(kind(f64s(1e300).to_f32()), ErrorKind::Param);
    assert!(f64s(f64::INFINITY).to_f32().unwrap()[0].is_infinite());
    assert_eq!(kind(Stored::from_i32(&[1], &[1]).unwrap().to_f32()), ErrorKind::DType);
    assert_eq!(Stored::from_f32(&[1.0], &[1]).unwrap().to_i64().unwrap_err().kind(), ErrorKind::DType);
    let u64s = |v: u64| Stored::from_bytes(StoredType::U64, v.to_le_bytes().to_vec(), &[]).unwrap();
    assert_eq!(u64s(5).to_i64().unwrap(), [5]);
    assert_eq!(u64s(1 << 63).to_i64().unwrap_err().kind(), ErrorKind::Param);
}

#[test]
fn integers_keep_their_values() {
    let of = |dtype, bytes: &[u8]| {
        let len = bytes.len() / StoredType::size(dtype);
        Stored::from_bytes(dtype, bytes.to_vec(), &[len]).unwrap().to_i64().unwrap()
    };
    assert_eq!(of(StoredType::Bool, &[0, 1]), [0, 1]);
    assert_eq!(of(StoredType::U8, &[255]), [255]);
    assert_eq!(of(StoredType::I8, &[255]), [-1]);
    assert_eq!(of(StoredType::U16, &[255, 255]), [65535]);
    assert_eq!(of(StoredType::I16, &[255, 255]), [-1]);
    assert_eq!(of(StoredType::U32, &[255; 4]), [u32::MAX as i64]);
    assert_eq!(of(StoredType::I32, &[254, 255, 255, 255]), [-2]);
    assert_eq!(of(StoredType::I64, &[255; 8]), [-1]);
}

#[test]
fn names_and_shapes_are_checked() {
    let mut weights = Weights::new();
    let one = Stored::from_f32(&[1.0], &[1]).unwrap();
    assert_eq!(weights.insert("__metadata__", one.clone()).unwrap_err().kind(), ErrorKind::Param);
    weights.insert("a", one.clone()).unwrap();
    weights.insert("a", Stored::from_f32(&[2.0], &[1]).unwrap()).unwrap();
    assert_eq!(weights.require("a").unwrap().to_f32().unwrap(), [2.0]);
    let error = weights.require("b").unwrap_err();
    assert!(error.kind() == ErrorKind::File && error.to_string().contains("`b`"), "{error}");
    assert!(weights.remove("a").is_some() && weights.remove("a").is_none());
    for shape in [&[2][..], &[0], &[1, 2], &[usize::MAX, 2]] {
        assert_eq!(Stored::from_f32(&[1.0], shape).unwrap_err().kind(), ErrorKind::Shape, "{shape:?}");
    }
}
