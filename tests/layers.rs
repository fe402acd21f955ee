//! The rules of the house that a compiler does not check: which layer may know which, one stem per op, no hidden state,
//! no panics, no giants.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use kuramoto::ops;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

struct Source {
    /// Below src, with `/`.
    path: String,
    /// Without comments.
    code: String,
    /// Without comments and tests.
    shipped: String,
    lines: usize,
}

fn sources() -> Vec<Source> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    let mut paths = Vec::new();
    walk(&root().join("src"), &mut paths);
    paths.sort();
    let sources: Vec<Source> = paths
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let path = path.strip_prefix(root().join("src")).unwrap().to_string_lossy().replace('\\', "/");
            let code: String = text.lines().map(|line| format!("{}\n", without_comment(line))).collect();
            let shipped = match code.find("#[cfg(test)]\nmod ") {
                Some(at) => code[..at].to_string(),
                None => code.clone(),
            };
            let shipped = if path.ends_with("tests.rs") { String::new() } else { shipped };
            Source { path, code, shipped, lines: text.lines().count() }
        })
        .collect();
    assert!(sources.len() > 30, "only {} files found", sources.len());
    sources
}

/// The line up to a comment; two slashes within a string do not count.
fn without_comment(line: &str) -> &str {
    let (mut in_string, mut escaped) = (false, false);
    for (at, c) in line.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            '/' if !in_string && line[at..].starts_with("//") => return &line[..at],
            _ => {}
        }
    }
    line
}

/// The first segments of all paths after `prefix::`, those in braces one by one.
fn segments(code: &str, prefix: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let word = |text: &str| text.chars().take_while(|c| is_word(*c)).collect::<String>();
    let needle = format!("{prefix}::");
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices(&needle) {
        // `supercrate::` and `self::crate::` are not what is looked for.
        if code[..at].ends_with(is_word) || (prefix != "crate" && code[..at].ends_with("::")) {
            continue;
        }
        let rest = &code[at + needle.len()..];
        if let Some(list) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut start = true;
            for (i, c) in list.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => start = true,
                    c if start && is_word(c) => {
                        found.insert(word(&list[i..]));
                        start = false;
                    }
                    _ => {}
                }
            }
        } else {
            found.insert(word(rest));
        }
    }
    found.retain(|segment| !segment.is_empty());
    found
}

fn has_word(code: &str, word: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word)
        .any(|(at, _)| !code[..at].ends_with(is_word) && !code[at + word.len()..].starts_with(is_word))
}

/// What each layer may import. `params` is the macro of the kernel layer.
const LAYERS: &[(&str, &[&str])] = &[
    ("error.rs", &[]),
    ("weights/", &["error", "weights"]),
    ("kernel.rs", &["kernel", "params"]),
    ("cpu/", &["cpu"]),
    ("gpu/", &["error", "gpu", "kernel"]),
    ("tape/", &["cpu", "error", "gpu", "kernel", "params", "tape"]),
    ("ops/", &["cpu", "error", "gpu", "kernel", "ops", "params", "tape"]),
    ("solve/", &["cpu", "error", "gpu", "kernel", "ops", "solve", "tape"]),
    ("network/", &["cpu", "error", "gpu", "kernel", "network", "ops", "tape"]),
    ("model/", &["cpu", "error", "gpu", "kernel", "model", "ops", "params", "solve", "tape", "weights"]),
    ("conformance/", &["conformance", "cpu", "error", "gpu", "kernel", "ops", "params", "tape"]),
];

#[test]
fn layers_import_only_what_lies_below_them() {
    for source in sources().iter().filter(|s| s.path != "lib.rs") {
        let (_, allowed) = LAYERS
            .iter()
            .find(|(layer, _)| source.path.starts_with(layer))
            .unwrap_or_else(|| panic!("src/{} is in no layer; say what it may import", source.path));
        for import in segments(&source.code, "crate") {
            assert!(allowed.contains(&import.as_str()), "src/{} may not import crate::{import}", source.path);
        }
    }
}

#[test]
fn only_the_device_layer_names_wgpu() {
    for source in sources().iter().filter(|s| !s.path.starts_with("gpu/") && s.path != "lib.rs") {
        assert!(!has_word(&source.code, "wgpu"), "src/{} names wgpu", source.path);
    }
}

#[test]
fn ops_do_not_import_each_other() {
    let stems: BTreeSet<&str> = ops::ALL.iter().map(|op| op.name).collect();
    // Those two are about ops, and none themselves.
    let above = ["ops/mod.rs", "ops/tune.rs"];
    for source in sources().iter().filter(|s| s.path.starts_with("ops/") && !above.contains(&s.path.as_str())) {
        let own = source.path["ops/".len()..].trim_end_matches(".rs");
        // A file `<stem>_cases.rs` belongs to its op.
        let is_own = |stem: &str| own == stem || own.strip_prefix(stem).is_some_and(|rest| rest.starts_with('_'));
        let mut imports = segments(&source.code, "crate::ops");
        imports.extend(segments(&source.code, "super"));
        for import in imports {
            let other = stems.contains(import.as_str()) && !is_own(&import);
            assert!(!other, "src/{} imports the op {import}; move what they share down", source.path);
        }
    }
}

/// Ops whose backward pass needs no kernel of its own.
const OWN_TRANSPOSE: &[(&str, &str)] = &[
    ("add", "both cotangents are the output's: handles are copied"),
    ("matmul", "both cotangents are products: the forward kernel runs again"),
    ("scale", "the transpose of alpha I is itself: the forward kernel runs again"),
    ("axpy", "the cotangent of x is scaled, that of y is the output's"),
    ("phase_wrap", "a shift: the handle of the cotangent is copied"),
];

/// Kernels that belong to no op.
const SHARED: &[(&str, &str)] = &[
    ("sum_rows", "the second stage of every reduction to rows"),
    ("sum_columns", "the second stage of gradients of weights"),
    ("row_moment", "means and variances, whatever the rows of a normalisation are"),
    ("term_sums_samples", "gradients of the weights of couplings of phases"),
    ("term_sums_nodes", "gradients of the phases of couplings over edges"),
    ("term_sums_lags", "gradients of the lags of edges"),
    ("term_sums_edges", "gradients of the strengths and lags of couplings of phases"),
    ("channel_sums", "gradients of weights and biases per channel"),
    ("matmul_cooperative", "products in f16, of matrices and of linear maps"),
    ("matmul_cooperative_pack", "the operands of these and of convolutions"),
    ("matmul_cooperative_unpack", "the results of these and of convolutions"),
];

#[test]
fn an_op_has_the_same_stem_everywhere() {
    let shaders: BTreeSet<String> = fs::read_dir(root().join("shaders"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    let sources = sources();
    let code = |path: &str| {
        sources.iter().find(|s| s.path == path).map(|s| s.code.as_str()).unwrap_or_else(|| panic!("no src/{path}"))
    };
    for op in ops::ALL {
        let name = op.name;
        assert!(shaders.contains(&format!("{name}.wgsl")), "{name} has no shaders/{name}.wgsl");
        let text = code(&format!("ops/{name}.rs"));
        let method = format!("pub fn {name}(");
        assert_eq!(text.matches(&method).count(), 2, "{name}: one method of Commands, one of Tape");
        let reference = code(&format!("cpu/{name}.rs"));
        assert!(reference.contains("pub fn forward"), "{name} has no reference");
        let has_backward = shaders.iter().any(|file| file.starts_with(&format!("{name}_bwd")));
        let excused = OWN_TRANSPOSE.iter().any(|(stem, _)| *stem == name);
        assert_eq!(has_backward, op.differentiable && !excused, "{name}: kernels of the backward pass");
        assert!(!op.formula.is_empty() && !op.kernels.is_empty() && !(op.cases)().is_empty(), "{name}: an empty entry");
        for kernel in op.kernels.iter().filter(|k| SHARED.iter().all(|(name, _)| *name != k.name)) {
            let belongs = kernel.name.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'));
            assert!(belongs, "{name}: the kernel {} does not carry its stem", kernel.name);
        }
    }
    for (stem, _) in OWN_TRANSPOSE {
        assert!(ops::ALL.iter().any(|op| op.name == *stem && op.differentiable), "{stem} is no differentiable op");
    }
    let names: Vec<&str> = ops::ALL.iter().map(|op| op.name).collect();
    assert!(names.is_sorted(), "ALL is in the order of the alphabet");
    // No reference without an op.
    for source in sources.iter().filter(|s| s.path.starts_with("cpu/")) {
        let stem = source.path["cpu/".len()..].trim_end_matches(".rs");
        let helper = ["mod", "attention", "layout", "real", "rows"].contains(&stem) || stem.starts_with("real/");
        assert!(helper || names.contains(&stem), "src/{} is the reference of no op", source.path);
    }
}

#[test]
fn there_is_no_hidden_state() {
    for source in sources() {
        for banned in [
            "std::env",
            "option_env!",
            "static mut",
            "thread_local!",
            "OnceLock",
            "OnceCell",
            "LazyLock",
            "LazyCell",
            "lazy_static",
        ] {
            assert!(!source.shipped.contains(banned), "src/{} uses {banned}", source.path);
        }
        // The one compile-time path, of the shaders.
        let paths = source.shipped.matches("env!(").count();
        assert!(paths == 0 || source.path == "kernel.rs", "src/{} reads the environment of its build", source.path);
        for line in source.shipped.lines().filter(|l| has_word(l, "static") && l.contains(':') && l.contains('=')) {
            for cell in ["Mutex", "RwLock", "Atomic", "Cell<"] {
                assert!(!line.contains(cell), "src/{}: a global that changes: {line}", source.path);
            }
        }
    }
}

/// Panics that stay, by file and text, each with its reason.
const PANICS: &[(&str, &str, &str)] = &[];

#[test]
fn nothing_that_ships_panics_on_purpose() {
    let mut used = BTreeSet::new();
    for source in sources() {
        for (at, line) in source.shipped.lines().enumerate() {
            for banned in
                [".unwrap()", ".expect(", "panic!(", "todo!(", "unimplemented!(", "unreachable!(", ".unwrap_err()"]
            {
                // catch_panic! and the like are other words.
                if !line.contains(banned) || line.contains(&format!("_{banned}")) {
                    continue;
                }
                let excuse = PANICS.iter().position(|(path, text, _)| source.path == *path && line.contains(text));
                match excuse {
                    Some(entry) => used.insert(entry),
                    None => panic!("src/{}:{}: {}", source.path, at + 1, line.trim()),
                };
            }
        }
    }
    assert_eq!(used.len(), PANICS.len(), "an excuse that excuses nothing");
}

/// What wgpu marks unsafe is called in one place, with the reason beside it.
#[test]
fn unsafe_is_in_one_module() {
    let unsafe_in: Vec<String> =
        sources().into_iter().filter(|s| s.code.contains("unsafe {")).map(|s| s.path).collect();
    assert_eq!(unsafe_in, ["gpu/trust.rs"]);
}

/// Files past 400 lines, each with the reason why it is not two.
const LONG: &[(&str, &str)] = &[];

#[test]
fn files_stay_short_enough_to_read() {
    let sources = sources();
    for source in &sources {
        let excused = LONG.iter().any(|(path, _)| *path == source.path);
        assert!(
            source.lines <= 400 || excused,
            "src/{} has {} lines; split it or say why not",
            source.path,
            source.lines
        );
    }
    for (path, _) in LONG {
        assert!(sources.iter().any(|s| s.path == *path), "src/{path} is excused and does not exist");
    }
}

#[test]
fn the_readers_of_this_file_see_what_they_should() {
    assert_eq!(without_comment("let a = \"http://x\"; // b"), "let a = \"http://x\"; ");
    assert_eq!(without_comment(r#"let a = "\"//"; // b"#), r#"let a = "\"//"; "#);
    let code = "use crate::{error::Error, gpu::{Commands, Tensor}};\nuse super::spec::Op;\ncrate::params! {}\n";
    let set = |names: &[&str]| names.iter().map(|n| n.to_string()).collect::<BTreeSet<_>>();
    assert_eq!(segments(code, "crate"), set(&["error", "gpu", "params"]));
    assert_eq!(segments(code, "super"), set(&["spec"]));
    assert_eq!(segments("use crate::ops::{add::Add, spec};", "crate::ops"), set(&["add", "spec"]));
    assert!(has_word("use wgpu::Device", "wgpu") && !has_word("use wgpu_types", "wgpu") && !has_word("mywgpu", "wgpu"));
}
