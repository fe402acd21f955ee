//! Weights in files: named tensors in the safetensors format, as published checkpoints are distributed.
//!
//! Reading is strict. A header that is too long, is not JSON, repeats a key, or places tensors over each other, past the
//! end of the file or with gaps is a `File` error that names the byte, before anything of the size of a tensor is
//! allocated. Values are not judged: NaN is data.
//!
//! ```
//! use kuramoto::weights::{Stored, StoredType, Weights};
//!
//! let mut weights = Weights::new();
//! weights.insert("layers.0.gamma", Stored::from_f32(&[1.0, 0.1], &[2])?)?;
//! weights.metadata.insert("step".into(), "1000".into());
//! let bytes = weights.cast(StoredType::F16)?.to_bytes()?;
//! let again = Weights::from_bytes(&bytes)?;
//! // Rounded to f16, widened on load.
//! assert_eq!(again.require("layers.0.gamma")?.to_f32()?, [1.0, 0.099975586]);
//! # Ok::<(), kuramoto::Error>(())
//! ```
//!
//! # Published checkpoints
//!
//! Files of PyTorch hold a program to rebuild their objects, which is not read here. This converts one, with the
//! packages `torch` and `safetensors`; of a checkpoint that keeps a moving average of the weights, it takes the average:
//!
//! ```python
//! # python convert.py ema_99.pth model.safetensors
//! import sys
//!
//! import torch
//! from safetensors.torch import save_file
//!
//! source, target = sys.argv[1:]
//! state = torch.load(source, map_location="cpu", weights_only=True)
//! # Training scripts wrap the weights: {"epoch": .., "model_state_dict": ..}.
//! for wrapper in ("model_state_dict", "state_dict"):
//!     state = state.get(wrapper, state)
//! # ema-pytorch keeps `ema_model.NAME`, `online_model.NAME`, `initted` and `step`; evaluation uses the average.
//! # nn.DataParallel puts `module.` before every name.
//! for prefix in ("ema_model.", "module."):
//!     if any(name.startswith(prefix) for name in state):
//!         state = {name[len(prefix):]: t for name, t in state.items() if name.startswith(prefix)}
//! # Two names may share memory (`layers.1.0.0` and `layers.1.0.1`), which safetensors refuses: clone.
//! save_file({name: t.clone().contiguous() for name, t in state.items()}, target, {"format": "pt"})
//! ```

mod header;
mod stored;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use header::{METADATA, PREFIX};
pub use stored::{Stored, StoredType};

use crate::error::{Error, ErrorKind, Result};

/// Named tensors and the strings that describe them, as one file holds them.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Weights {
    tensors: BTreeMap<String, Stored>,
    /// What the file says of itself.
    pub metadata: BTreeMap<String, String>,
}

impl Weights {
    /// No tensors.
    pub fn new() -> Weights {
        Weights::default()
    }

    /// Reads a file. The header is checked against the file's length first; then each tensor is read into its own memory.
    ///
    /// # Errors
    /// `File` if it cannot be read, or with the offset of the first byte that is wrong.
    pub fn read(path: impl AsRef<Path>) -> Result<Weights> {
        let path = path.as_ref();
        let cannot = |why: std::io::Error| io("read", path, &why);
        let file = File::open(path).map_err(cannot)?;
        let length = file.metadata().map_err(cannot)?.len();
        Weights::from_reader(file, length).map_err(|why| Error::new(why.kind(), format!("{}: {why}", path.display())))
    }

    /// Reads the contents of a file.
    ///
    /// # Errors
    /// `File` with the offset of the first byte that is wrong.
    pub fn from_bytes(bytes: &[u8]) -> Result<Weights> {
        Weights::from_reader(bytes, bytes.len() as u64)
    }

    fn from_reader(mut source: impl Read, length: u64) -> Result<Weights> {
        let mut prefix = [0; PREFIX];
        if length < PREFIX as u64 {
            return Err(header::bad(length as usize, format!("the file ends within its first {PREFIX} bytes")));
        }
        fill(&mut source, &mut prefix, 0)?;
        let mut text = vec![0; header::length(prefix, length)?];
        fill(&mut source, &mut text, PREFIX)?;
        let base = PREFIX + text.len();
        let header = header::parse(&text, length - base as u64)?;
        drop(text);
        let mut tensors = BTreeMap::new();
        for entry in header.entries {
            let mut bytes = vec![0; entry.end - entry.begin];
            fill(&mut source, &mut bytes, base + entry.begin)?;
            tensors.insert(entry.name, Stored::from_bytes(entry.dtype, bytes, &entry.shape)?);
        }
        Ok(Weights { tensors, metadata: header.metadata })
    }

    /// Writes a file: beside `path` first, so that what stood there stays whole if this fails.
    ///
    /// # Errors
    /// `File` if it cannot be written; as [`Weights::to_bytes`].
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let cannot = |why: std::io::Error| io("written", path, &why);
        let head = self.head()?;
        let mut beside = path.as_os_str().to_owned();
        beside.push(".part");
        let write = || {
            let mut file = std::io::BufWriter::new(File::create(&beside)?);
            file.write_all(&head)?;
            self.in_file_order().into_iter().try_for_each(|(_, stored)| file.write_all(stored.bytes()))?;
            file.into_inner()?.sync_all()?;
            std::fs::rename(&beside, path)
        };
        write().map_err(|why| {
            // It may not exist; the first error is the one to tell.
            let _ = std::fs::remove_file(&beside);
            cannot(why)
        })
    }

    /// The contents of a file. The same weights give the same bytes: tensors lie in the order of decreasing element
    /// types, then of names, which keeps every tensor aligned.
    ///
    /// # Errors
    /// `File` if the header would be longer than the format allows.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = self.head()?;
        self.in_file_order().into_iter().for_each(|(_, stored)| bytes.extend_from_slice(stored.bytes()));
        Ok(bytes)
    }

    fn in_file_order(&self) -> Vec<(&String, &Stored)> {
        let mut tensors: Vec<_> = self.tensors.iter().collect();
        tensors.sort_by_key(|(_, stored)| std::cmp::Reverse(stored.dtype()));
        tensors
    }

    /// The file up to the tensors.
    fn head(&self) -> Result<Vec<u8>> {
        let mut json = String::from("{");
        if !self.metadata.is_empty() {
            header::quote(METADATA, &mut json);
            let mut before = ":{";
            for (key, value) in &self.metadata {
                json.push_str(before);
                header::quote(key, &mut json);
                json.push(':');
                header::quote(value, &mut json);
                before = ",";
            }
            json.push('}');
        }
        let mut begin = 0;
        for (name, stored) in self.in_file_order() {
            if json.len() > 1 {
                json.push(',');
            }
            header::quote(name, &mut json);
            let shape: Vec<String> = stored.shape().iter().map(usize::to_string).collect();
            let (dtype, end) = (stored.dtype(), begin + stored.bytes().len());
            let shape = shape.join(",");
            json.push_str(&format!(":{{\"dtype\":\"{dtype}\",\"shape\":[{shape}],\"data_offsets\":[{begin},{end}]}}"));
            begin = end;
        }
        json.push('}');
        let length = json.len().next_multiple_of(PREFIX);
        if length > header::MAX_HEADER {
            let most = header::MAX_HEADER;
            return Err(Error::argument(
                ErrorKind::File,
                "safetensors",
                "the header",
                length,
                format!("at most {most} bytes"),
            ));
        }
        let mut head = (length as u64).to_le_bytes().to_vec();
        head.extend_from_slice(json.as_bytes());
        head.resize(PREFIX + length, b' ');
        Ok(head)
    }

    /// Number of tensors.
    pub fn len(&self) -> usize {
        self.tensors.len()
    }

    /// Whether there are no tensors.
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }

    /// Tensors by name, in the order of names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Stored)> {
        self.tensors.iter().map(|(name, stored)| (name.as_str(), stored))
    }

    /// The tensor `name`.
    pub fn get(&self, name: &str) -> Option<&Stored> {
        self.tensors.get(name)
    }

    /// The tensor `name`, which has to be there.
    ///
    /// # Errors
    /// `File` that names it.
    pub fn require(&self, name: &str) -> Result<&Stored> {
        self.get(name).ok_or_else(|| Error::new(ErrorKind::File, format!("weights: there is no tensor `{name}`")))
    }

    /// Adds a tensor, or puts it in the place of the one of that name.
    ///
    /// # Errors
    /// `Param` for the name `__metadata__`, which the format keeps for itself.
    pub fn insert(&mut self, name: impl Into<String>, stored: Stored) -> Result<()> {
        let name = name.into();
        if name == METADATA {
            return Err(Error::argument(
                ErrorKind::Param,
                "weights",
                "name",
                name,
                "another; the format keeps this one",
            ));
        }
        self.tensors.insert(name, stored);
        Ok(())
    }

    /// Takes the tensor `name` out.
    pub fn remove(&mut self, name: &str) -> Option<Stored> {
        self.tensors.remove(name)
    }

    /// The same weights with all floating-point tensors stored as `dtype`; integers stay.
    ///
    /// # Errors
    /// As [`Stored::cast`], naming the tensor.
    pub fn cast(&self, dtype: StoredType) -> Result<Weights> {
        let mut weights = self.clone();
        for (name, stored) in weights.tensors.iter_mut().filter(|(_, stored)| stored.dtype().is_float()) {
            *stored = stored.cast(dtype).map_err(|why| Error::new(why.kind(), format!("tensor `{name}`: {why}")))?;
        }
        Ok(weights)
    }
}

/// Reads until `bytes` is full. The file's length was known; if it ends here it has changed meanwhile.
fn fill(source: &mut impl Read, bytes: &mut [u8], offset: usize) -> Result<()> {
    source.read_exact(bytes).map_err(|why| header::bad(offset, format!("cannot be read ({why})")))
}

fn io(done: &str, path: &Path, why: &std::io::Error) -> Error {
    Error::new(ErrorKind::File, format!("{}: cannot be {done} ({why})", path.display()))
}
