//! NumPy's archives: sparse matrices of SciPy in, results out.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;

use kuramoto::Graph;
use ndarray::{Array1, ArrayView1, ArrayView2, ArrayViewD, IxDyn};
use ndarray_npy::{NpzReader, ReadNpyError, ReadNpzError, ReadableElement, WriteNpyError, WriteNpyExt};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::super::graph::Network;

/// Reads what `scipy.sparse.save_npz` writes of a CSR matrix: `data`, `indices`, `indptr`, `shape`, `format`. Row `i`, column
/// `j` is the weight with which `i` listens to `j`. Read as well, if there: `lengths` `[E]` in mm, `power` `[N]`, `generators`
/// `[N]` of booleans, `names`: bytes of UTF-8, a line per node.
///
/// # Errors
/// In words: the array, the position and what is wrong there.
pub fn read(path: &Path) -> Result<Network, String> {
    let mut archive = Archive::open(path)?;
    if let Some(format) = archive.format()?.filter(|format| format != "csr") {
        return Err(format!("has the sparse format `{format}`, expected csr: save `matrix.tocsr()`"));
    }
    let shape = archive.integers("shape")?;
    let &[rows, columns] = shape.as_slice() else {
        return Err(format!("array shape has {} numbers, expected 2", shape.len()));
    };
    if rows != columns {
        return Err(format!("has {rows} rows and {columns} columns, expected a square matrix"));
    }
    let (indptr, indices, weights) =
        (archive.integers("indptr")?, archive.integers("indices")?, archive.floats("data")?);
    if indptr.len() != rows + 1 {
        return Err(format!("array indptr has {} numbers, expected one more than {rows} rows", indptr.len()));
    }
    let graph = Graph::new(&indptr, &indices).map_err(|why| why.to_string())?;
    if weights.len() != indices.len() {
        return Err(format!("array data has {} numbers, expected {}, one per index", weights.len(), indices.len()));
    }
    graph.check_weights(&weights).map_err(|why| why.to_string())?;
    let (nodes, edges) = (graph.nodes(), graph.edge_count());
    let mut network = Network::new(graph, weights);
    network.lengths = archive.optional("lengths", edges, Archive::floats)?;
    if let Some(at) = network.lengths.as_ref().and_then(|l| l.iter().position(|l| !(*l >= 0.0 && l.is_finite()))) {
        return Err(format!("array lengths has a number at {at} that is no length"));
    }
    network.power = archive.optional("power", nodes, Archive::floats)?;
    if let Some(at) = network.power.as_ref().and_then(|p| p.iter().position(|p| !p.is_finite())) {
        return Err(format!("array power has a number at {at} that is not finite"));
    }
    network.generators = archive.optional("generators", nodes, |archive, name| {
        archive.vector(name)?.ok_or_else(|| format!("array {name} is not of booleans"))
    })?;
    network.names = archive.optional("names", nodes, Archive::lines)?;
    Ok(network)
}

/// Writes a network as [`read`] reads it; SciPy's `load_npz` reads it as well.
pub fn write(path: &Path, network: &Network) -> Result<(), String> {
    let (graph, n) = (&network.graph, network.graph.nodes() as i64);
    let wide = |part: &[u32]| part.iter().map(|v| i64::from(*v)).collect::<Array1<i64>>();
    save(path, |npz| {
        npz.add_format()?;
        npz.add_array("data", &ArrayView1::from(&network.weights))?;
        npz.add_array("indices", &wide(graph.indices()))?;
        npz.add_array("indptr", &wide(graph.indptr()))?;
        npz.add_array("shape", &ArrayView1::from(&[n, n]))?;
        if let Some(lengths) = &network.lengths {
            npz.add_array("lengths", &ArrayView1::from(lengths))?;
        }
        if let Some(power) = &network.power {
            npz.add_array("power", &ArrayView1::from(power))?;
        }
        if let Some(generators) = &network.generators {
            npz.add_array("generators", &ArrayView1::from(generators))?;
        }
        if let Some(names) = &network.names {
            npz.add_array("names", &ArrayView1::from(names.join("\n").as_bytes()))?;
        }
        Ok(())
    })
}

/// An open archive.
struct Archive(NpzReader<BufReader<File>>, Vec<String>, std::path::PathBuf);

impl Archive {
    fn open(path: &Path) -> Result<Archive, String> {
        let file = File::open(path).map_err(|why| format!("cannot be read ({why})"))?;
        let mut npz = NpzReader::new(BufReader::new(file)).map_err(|why| format!("is no .npz file ({why})"))?;
        let names = npz.names().map_err(|why| format!("is a damaged .npz file ({why})"))?;
        Ok(Archive(npz, names, path.to_path_buf()))
    }

    /// The format that SciPy notes, a string, which the reader of arrays does not know: its bytes are the last ones.
    fn format(&self) -> Result<Option<String>, String> {
        let damaged = |why: &dyn std::fmt::Display| format!("array format is damaged ({why})");
        if !self.1.iter().any(|name| name == "format") {
            return Ok(None);
        }
        let file = File::open(&self.2).map_err(|why| damaged(&why))?;
        let mut zip = zip::ZipArchive::new(BufReader::new(file)).map_err(|why| damaged(&why))?;
        let mut bytes = vec![];
        zip.by_name("format.npy").map_err(|why| damaged(&why))?.read_to_end(&mut bytes).map_err(|why| damaged(&why))?;
        let header = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let letters = bytes[header..].iter().filter(|b| **b != 0).map(|b| char::from(*b));
        Ok(Some(letters.collect()))
    }

    /// An array of the type, if it has that type.
    fn vector<T: ReadableElement>(&mut self, name: &str) -> Result<Option<Vec<T>>, String> {
        match self.0.by_name::<ndarray::OwnedRepr<T>, ndarray::Ix1>(name) {
            Ok(array) => Ok(Some(array.into_iter().collect())),
            Err(ReadNpzError::Npy(ReadNpyError::WrongDescriptor(_))) => Ok(None),
            Err(_) if !self.1.iter().any(|found| found == name) => {
                Err(format!("has no array {name}, only {}", self.1.join(", ")))
            }
            Err(why) => Err(format!("array {name}: {why}")),
        }
    }

    /// Whole numbers of any width, none below 0.
    fn integers(&mut self, name: &str) -> Result<Vec<usize>, String> {
        let whole = |values: Vec<i64>| {
            let one = |(at, value): (usize, &i64)| {
                usize::try_from(*value)
                    .map_err(|_| format!("array {name} has {value} at {at}, expected no negative number"))
            };
            values.iter().enumerate().map(one).collect()
        };
        if let Some(values) = self.vector::<i32>(name)? {
            return whole(values.into_iter().map(i64::from).collect());
        }
        if let Some(values) = self.vector::<i64>(name)? {
            return whole(values);
        }
        if let Some(values) = self.vector::<u32>(name)? {
            return Ok(values.into_iter().map(|value| value as usize).collect());
        }
        Err(format!("array {name} is not of whole numbers of 32 or 64 bits"))
    }

    /// Real numbers: floats, integers or booleans of the common widths.
    fn floats(&mut self, name: &str) -> Result<Vec<f32>, String> {
        if let Some(values) = self.vector::<f64>(name)? {
            return Ok(values.into_iter().map(|value| value as f32).collect());
        }
        if let Some(values) = self.vector::<f32>(name)? {
            return Ok(values);
        }
        if let Some(values) = self.vector::<i64>(name)? {
            return Ok(values.into_iter().map(|value| value as f32).collect());
        }
        if let Some(values) = self.vector::<i32>(name)? {
            return Ok(values.into_iter().map(|value| value as f32).collect());
        }
        if let Some(values) = self.vector::<bool>(name)? {
            return Ok(values.into_iter().map(|value| f32::from(u8::from(value))).collect());
        }
        Err(format!("array {name} is not of real numbers of 32 or 64 bits"))
    }

    fn lines(&mut self, name: &str) -> Result<Vec<String>, String> {
        let bytes = self.vector::<u8>(name)?.ok_or_else(|| format!("array {name} is not of bytes"))?;
        let text = String::from_utf8(bytes).map_err(|why| format!("array {name} is no text ({why})"))?;
        Ok(text.lines().map(str::to_string).collect())
    }

    /// An array that may be missing, of `count` numbers.
    fn optional<T>(
        &mut self,
        name: &str,
        count: usize,
        read: impl Fn(&mut Archive, &str) -> Result<Vec<T>, String>,
    ) -> Result<Option<Vec<T>>, String> {
        if !self.1.iter().any(|found| found == name) {
            return Ok(None);
        }
        let values = read(self, name)?;
        match values.len() == count {
            true => Ok(Some(values)),
            false => Err(format!("array {name} has {} entries, expected {count}", values.len())),
        }
    }
}

/// An archive that is being written.
struct Writer(ZipWriter<BufWriter<File>>);

impl Writer {
    fn member(&mut self, name: &str) -> Result<(), WriteNpyError> {
        // Phases of many nodes may be more than 4 GiB.
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(true);
        self.0.start_file(format!("{name}.npy"), options).map_err(|why| WriteNpyError::Io(why.into()))
    }

    fn add_array(&mut self, name: &str, array: &(impl WriteNpyExt + ?Sized)) -> Result<(), WriteNpyError> {
        self.member(name)?;
        array.write_npy(BufWriter::new(&mut self.0))
    }

    /// The name of the format, without which SciPy reads no matrix: a string of three bytes, version 1.0 of the layout,
    /// whose header ends at a multiple of 64 bytes.
    fn add_format(&mut self) -> Result<(), WriteNpyError> {
        self.member("format")?;
        let header = "{'descr': '|S3', 'fortran_order': False, 'shape': (), }";
        let padded = format!("{header:<117}\n");
        let parts = [b"\x93NUMPY\x01\x00".as_slice(), &(padded.len() as u16).to_le_bytes(), padded.as_bytes(), b"csr"];
        Ok(self.0.write_all(&parts.concat())?)
    }
}

/// Writes an archive whose arrays `fill` adds.
fn save(path: &Path, fill: impl FnOnce(&mut Writer) -> Result<(), WriteNpyError>) -> Result<(), String> {
    let at = |why: &dyn std::fmt::Display| format!("{}: cannot be written ({why})", path.display());
    let mut npz = Writer(ZipWriter::new(BufWriter::new(File::create(path).map_err(|why| at(&why))?)));
    fill(&mut npz).map_err(|why| at(&why))?;
    let mut file = npz.0.finish().map_err(|why| at(&why))?;
    file.flush().map_err(|why| at(&why))
}

/// What a run sampled at `S` times.
#[derive(Clone, Copy, Debug)]
pub struct Results<'a> {
    /// `[S]`: in the unit of time of the frequencies.
    pub times: &'a [f64],
    /// `[S]`: modulus of the order parameter.
    pub order: &'a [f64],
    /// `[S, N]`: phases in radians, sample by sample; perhaps none are kept.
    pub phases: Option<&'a [f32]>,
}

/// Writes `times`, `order_parameter` and `phases` to an `.npz` file.
///
/// # Errors
/// In words, for a file that cannot be written and counts that do not fit.
pub fn write_results(path: &Path, results: &Results) -> Result<(), String> {
    let count = results.times.len();
    if results.order.len() != count {
        return Err(format!("there are {} order parameters for {count} times", results.order.len()));
    }
    let rows = |phases| {
        let nodes = <[f32]>::len(phases) / count.max(1);
        let array = ArrayView2::from_shape((count, nodes), phases).ok().filter(|array| array.len() == phases.len());
        array.ok_or_else(|| format!("{} phases are no rows for {count} times", phases.len()))
    };
    let phases = results.phases.map(rows).transpose()?;
    save(path, |npz| {
        npz.add_array("times", &ArrayView1::from(results.times))?;
        npz.add_array("order_parameter", &ArrayView1::from(results.order))?;
        if let Some(phases) = &phases {
            npz.add_array("phases", phases)?;
        }
        Ok(())
    })
}

/// Writes a sweep to an `.npz` file: an array per axis and `order_parameter` over all of them, the last the fastest.
///
/// # Errors
/// As [`write_results`].
pub fn write_grid(path: &Path, axes: &[(&str, &[f64])], order: &[f64]) -> Result<(), String> {
    let shape: Vec<usize> = axes.iter().map(|(_, values)| values.len()).collect();
    let all = ArrayViewD::from_shape(IxDyn(&shape), order).ok().filter(|all| all.len() == order.len());
    let all = all.ok_or_else(|| format!("{} order parameters do not fill axes of {shape:?}", order.len()))?;
    save(path, |npz| {
        for (name, values) in axes {
            npz.add_array(name, &ArrayView1::from(*values))?;
        }
        npz.add_array("order_parameter", &all)
    })
}

/// Writes columns of equal lengths as CSV with their names above.
///
/// # Errors
/// As [`write_results`].
pub fn write_series(path: &Path, columns: &[(&str, &[f64])]) -> Result<(), String> {
    use std::fmt::Write as _;
    let rows = columns.first().map_or(0, |(_, values)| values.len());
    if let Some((name, values)) = columns.iter().find(|(_, values)| values.len() != rows) {
        return Err(format!("column {name} has {} numbers, expected {rows}", values.len()));
    }
    let mut text = columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(",");
    text.push('\n');
    for row in 0..rows {
        for (c, (_, values)) in columns.iter().enumerate() {
            let comma = if c > 0 { "," } else { "" };
            write!(text, "{comma}{}", values[row]).map_err(|why| why.to_string())?;
        }
        text.push('\n');
    }
    std::fs::write(path, text).map_err(|why| format!("{}: cannot be written ({why})", path.display()))
}
