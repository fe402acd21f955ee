//! Compiled pipelines in a file, so that the next start of a program need not compile them again.

use std::fs;
use std::io::ErrorKind as Io;
use std::path::Path;
use std::sync::Mutex;

use super::context::Context;
use super::latch::lock;
use super::trust;
use crate::error::{Error, ErrorKind, Result};

/// What [`Context::open_pipeline_cache`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CachedPipelines {
    /// The file was read and given to the driver, which ignores what another version of it wrote.
    Loaded,
    /// There is no such file yet. Pipelines compiled from now on can be saved.
    Absent,
    /// The file is not one of these, or is damaged. Saving will replace it.
    Damaged,
    /// The backend keeps no pipelines, or keeps them by itself: only Vulkan hands them out.
    Unsupported,
}

/// The driver's cache, once one is open.
#[derive(Default)]
pub(crate) struct PipelineCache(Mutex<Option<wgpu::PipelineCache>>);

impl PipelineCache {
    pub(crate) fn get(&self) -> Option<wgpu::PipelineCache> {
        lock(&self.0).clone()
    }
}

/// First bytes of a file, then the checksum of the rest in little endian, then the driver's bytes.
const MAGIC: &[u8; 8] = b"KURAPIP1";

impl Context {
    /// A name for a file of [`Context::open_pipeline_cache`] that no other adapter shares; `None` where none is kept.
    pub fn pipeline_cache_name(&self) -> Option<String> {
        self.keeps_pipelines().then(|| wgpu::util::pipeline_cache_key(&self.0.info)).flatten()
    }

    /// Lets pipelines that are compiled from now on come from the file at `path`, and go into it with
    /// [`Context::save_pipeline_cache`]. Open it before the first op.
    ///
    /// A checksum finds damage, not malice: keep the file where only the user can write, like a program.
    ///
    /// # Errors
    /// `File` if the file is there and cannot be read; `DeviceLost`.
    pub fn open_pipeline_cache(&self, path: &Path) -> Result<CachedPipelines> {
        self.alive()?;
        if !self.keeps_pipelines() {
            return Ok(CachedPipelines::Unsupported);
        }
        let (state, data) = match fs::read(path) {
            Ok(bytes) => match unpack(&bytes) {
                Some(data) => (CachedPipelines::Loaded, Some(data.to_vec())),
                None => (CachedPipelines::Damaged, None),
            },
            Err(e) if e.kind() == Io::NotFound => (CachedPipelines::Absent, None),
            Err(e) => return Err(refused("open_pipeline_cache", path, &e)),
        };
        let cache = self
            .scoped(|| trust::pipeline_cache(&self.0.device, data.as_deref()))
            .map_err(|e| self.explain(ErrorKind::File, "open_pipeline_cache", e))?;
        *lock(&self.0.pipeline_cache.0) = Some(cache);
        Ok(state)
    }

    /// Writes the pipelines compiled since [`Context::open_pipeline_cache`], with those that were in the file, to `path`.
    /// The file is whole at any time. Returns its bytes; 0, and no file, if no cache is open or the driver keeps none.
    ///
    /// # Errors
    /// `File` if the file cannot be written; `DeviceLost`.
    pub fn save_pipeline_cache(&self, path: &Path) -> Result<u64> {
        self.alive()?;
        let Some(data) = self.0.pipeline_cache.get().and_then(|cache| cache.get_data()) else { return Ok(0) };
        let mut bytes = MAGIC.to_vec();
        bytes.extend(checksum(&data).to_le_bytes());
        bytes.extend(data);
        let mut beside = path.as_os_str().to_owned();
        beside.push(".part");
        fs::write(&beside, &bytes).and_then(|()| fs::rename(&beside, path)).map_err(|e| {
            // It may not exist; the first error is the one to tell.
            let _ = fs::remove_file(&beside);
            refused("save_pipeline_cache", path, &e)
        })?;
        Ok(bytes.len() as u64)
    }

    fn keeps_pipelines(&self) -> bool {
        self.0.features.contains(wgpu::Features::PIPELINE_CACHE)
    }
}

fn refused(doing: &str, path: &Path, e: &std::io::Error) -> Error {
    Error::new(ErrorKind::File, format!("{doing}: {}: {e}", path.display()))
}

/// The driver's bytes, if magic and checksum fit.
fn unpack(bytes: &[u8]) -> Option<&[u8]> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (sum, data) = rest.split_first_chunk::<8>()?;
    (u64::from_le_bytes(*sum) == checksum(data)).then_some(data)
}

/// FNV-1a.
fn checksum(data: &[u8]) -> u64 {
    data.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}
