//! The comparison with golden files must fail where it should: on a small case of its own, whose numbers are worked out
//! here.

use std::path::PathBuf;
use std::process::{Command, Output as Ended};

use kuramoto::weights::{Stored, StoredType, Weights};
use xtask::failure::Result;
use xtask::golden::session::{Case, Output, Session};
use xtask::golden::{Machine, Outcome, judge};

/// `y = scale x + w` in three forms: as it is, turned, and its product with `x` below a row of zeros.
const TOY: Case = Case {
    name: "toy",
    attrs: &["scale", "kind"],
    build: |session: &mut Session| -> Result<Vec<Output>> {
        let scale = session.count("scale")?;
        session.word("kind", &[("plain", ())])?;
        let (x, w) = (session.input("x")?, session.parameter("w")?);
        let y = session.tape.axpy(scale as f32, x, w)?;
        let energy = session.tape.dot(y, x)?;
        Ok(vec![
            Output::new("y", y),
            Output::moved("turned", y, &[1, 0]),
            Output::stack("energy", vec![None, Some(energy)]),
        ])
    },
};

const X: [f32; 6] = [1.0, -2.0, 0.5, 3.0, 0.25, -1.5];
const W: [f32; 6] = [0.5, 1.0, -1.0, 2.0, -0.5, 0.75];
const SCALE: f32 = 3.0;

fn turned(v: [f32; 6]) -> [f32; 6] {
    [v[0], v[3], v[1], v[4], v[2], v[5]]
}

fn each(f: impl Fn(usize) -> f32) -> [f32; 6] {
    std::array::from_fn(f)
}

fn put(weights: &mut Weights, name: &str, data: &[f32], shape: &[usize]) {
    weights.insert(name, Stored::from_f32(data, shape).unwrap()).unwrap();
}

fn toy() -> Weights {
    let mut weights = Weights::new();
    weights.metadata.insert("case".into(), "toy".into());
    weights.metadata.insert("attrs".into(), r#"{"scale": 3, "kind": "plain"}"#.into());
    let y = each(|i| SCALE * X[i] + W[i]);
    let energy: f32 = (0..6).map(|i| y[i] * X[i]).sum();
    let (of_y, of_turned, of_energy) = ([0.5, 1.0, -0.25, 2.0, -1.0, 0.125], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 0.5);
    // Turned by 3 x 2 back to 2 x 3.
    let back = [of_turned[0], of_turned[2], of_turned[4], of_turned[1], of_turned[3], of_turned[5]];
    let both = each(|i| of_y[i] + back[i]);
    put(&mut weights, "in/x", &X, &[2, 3]);
    put(&mut weights, "param/w", &W, &[2, 3]);
    put(&mut weights, "out/y", &y, &[2, 3]);
    put(&mut weights, "out/turned", &turned(y), &[3, 2]);
    put(&mut weights, "out/energy", &[0.0, energy], &[2, 1]);
    put(&mut weights, "cotangent/y", &of_y, &[2, 3]);
    put(&mut weights, "cotangent/turned", &of_turned, &[3, 2]);
    // The row of zeros depends on nothing, so its cotangent does nothing.
    put(&mut weights, "cotangent/energy", &[7.0, of_energy], &[2, 1]);
    put(&mut weights, "grad/in.x", &each(|i| SCALE * both[i] + of_energy * (2.0 * SCALE * X[i] + W[i])), &[2, 3]);
    put(&mut weights, "grad/w", &each(|i| both[i] + of_energy * X[i]), &[2, 3]);
    weights
}

/// A folder of its own for a test, gone when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("kuramoto-golden-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn text(&self) -> String {
        self.0.display().to_string()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn judged(name: &str, weights: &Weights) -> (Outcome, Weights) {
    let scratch = Scratch::new(name);
    let (path, out) = (scratch.0.join("toy.safetensors"), scratch.0.join("out"));
    std::fs::create_dir_all(&out).unwrap();
    weights.write(&path).unwrap();
    let outcome = judge(&[TOY], &Machine::Reference, &path, Some(&out));
    let dump = Weights::read(out.join("toy.safetensors")).unwrap_or_default();
    (outcome, dump)
}

#[test]
fn what_is_right_passes_and_is_dumped() {
    let weights = toy();
    let (outcome, dump) = judged("right", &weights);
    assert!(outcome.pass && outcome.error.is_none(), "{:?} {:?}", outcome.error, outcome.tensors);
    let tensors: Vec<&str> = outcome.tensors.iter().map(|row| row.tensor.as_str()).collect();
    assert_eq!(tensors, ["out/energy", "out/turned", "out/y", "grad/in.x", "grad/w"]);
    for (name, stored) in dump.iter() {
        let expected = weights.require(name).unwrap();
        assert_eq!((stored.dtype(), stored.shape()), (StoredType::F32, expected.shape()), "{name}");
        for (got, expected) in stored.to_f32().unwrap().iter().zip(expected.to_f32().unwrap()) {
            assert!((got - expected).abs() < 1e-5, "{name}: {got} for {expected}");
        }
    }
    assert_eq!(dump.len(), tensors.len());
    assert_eq!(dump.metadata["case"], "toy");
}

#[test]
fn one_number_that_is_off_fails_and_is_dumped() {
    for tensor in ["out/y", "out/turned", "out/energy", "grad/in.x", "grad/w"] {
        for wrong in [1e-4, f32::NAN] {
            let mut weights = toy();
            let stored = weights.require(tensor).unwrap().clone();
            let mut data = stored.to_f32().unwrap();
            *data.last_mut().unwrap() += wrong;
            put(&mut weights, tensor, &data, stored.shape());
            let (outcome, dump) = judged("off", &weights);
            let failed: Vec<&str> = outcome.tensors.iter().filter(|r| !r.pass).map(|r| r.tensor.as_str()).collect();
            assert!(!outcome.pass && failed == [tensor], "{tensor}: {failed:?}");
            assert_eq!(outcome.worst().unwrap().tensor, tensor);
            assert_eq!(dump.len(), 5);
        }
    }
}

#[test]
fn tensors_of_one_side_only_fail() {
    let failing = |weights: &Weights, tensor: &str, reason: &str| {
        let (outcome, dump) = judged("one-side", weights);
        let row = outcome.tensors.iter().find(|row| !row.pass).unwrap_or_else(|| panic!("{tensor} passed"));
        assert!(!outcome.pass && row.tensor == tensor && row.reason.contains(reason), "{row:?}");
        assert!(!dump.is_empty());
    };
    let mut weights = toy();
    put(&mut weights, "out/z", &[1.0], &[1]);
    failing(&weights, "out/z", "was not computed");
    let mut weights = toy();
    put(&mut weights, "grad/v", &[1.0], &[1]);
    failing(&weights, "grad/v", "was not computed");
    // A parameter without a gradient in the file must get none.
    let mut weights = toy();
    weights.remove("grad/w").unwrap();
    failing(&weights, "grad/w", "the file has none");
    let mut weights = toy();
    let y = weights.require("out/y").unwrap().to_f32().unwrap();
    put(&mut weights, "out/y", &y, &[3, 2]);
    failing(&weights, "out/y", "it is [2, 3], the file has [3, 2]");
}

#[test]
fn what_is_not_understood_is_an_error() {
    let refused = |weights: &Weights, complaint: &str| {
        let (outcome, _) = judged("refused", weights);
        let error = outcome.error.unwrap_or_else(|| panic!("no complaint of {complaint}"));
        assert!(!outcome.pass && error.contains(complaint), "{error}");
    };
    let described = |key: &str, value: &str| {
        let mut weights = toy();
        weights.metadata.insert(key.into(), value.into());
        weights
    };
    refused(&described("case", "toys"), "the case `toys` is not known");
    refused(&described("attrs", r#"{"scale": 3, "kind": "plain", "heads": null}"#), "has no attribute `heads`");
    refused(&described("attrs", r#"{"kind": "plain"}"#), "there is no attribute `scale`");
    refused(&described("attrs", r#"{"scale": 3, "kind": "odd"}"#), "`kind` is \"odd\", expected plain");
    refused(&described("attrs", r#"{"scale": -3, "kind": "plain"}"#), "`scale` is -3, expected a whole number");
    refused(&described("attrs", "[]"), "attrs are no JSON object");
    let mut weights = toy();
    weights.metadata.remove("case").unwrap();
    refused(&weights, "the metadata has no `case`");
    for name in ["in/noise", "param/bias"] {
        let mut weights = toy();
        put(&mut weights, name, &[1.0], &[1]);
        refused(&weights, &format!("does not read `{name}`"));
    }
    let mut weights = toy();
    put(&mut weights, "weird/x", &[1.0], &[1]);
    refused(&weights, "`weird/x` is none of in/, param/");
    let mut weights = toy();
    weights.remove("param/w").unwrap();
    refused(&weights, "there is no tensor `param/w`");
    let mut weights = toy();
    put(&mut weights, "cotangent/z", &[1.0], &[1]);
    refused(&weights, "`cotangent/z` belongs to no output");
    let mut weights = toy();
    put(&mut weights, "cotangent/y", &[1.0], &[1]);
    refused(&weights, "unlike its output");
    let mut weights = toy();
    for name in ["y", "turned", "energy"] {
        weights.remove(&format!("cotangent/{name}")).unwrap();
    }
    refused(&weights, "neither cotangents nor a loss");
}

/// Runs the command without a device.
fn golden(arguments: &[&str]) -> Ended {
    let command = [&["golden"], arguments].concat();
    Command::new(env!("CARGO_BIN_EXE_xtask")).args(command).env("KURAMOTO_ADAPTER", "none").output().unwrap()
}

fn ends(arguments: &[&str], code: i32, complaint: &str) {
    let ended = golden(arguments);
    let said = String::from_utf8([ended.stdout, ended.stderr].concat()).unwrap();
    assert!(ended.status.code() == Some(code) && said.contains(complaint), "{arguments:?}: {said}");
}

#[test]
fn the_command_says_what_is_wrong_with_its_input() {
    let scratch = Scratch::new("command");
    let folder = scratch.text();
    ends(&["no such folder", "--reference"], 2, "no such folder: cannot be read");
    ends(&[&folder, "--reference"], 2, "there is no .safetensors file");
    toy().write(scratch.0.join("toy.safetensors")).unwrap();
    ends(&[&folder, "--reference"], 2, "the case `toy` is not known");
    ends(&[&folder, "--reference", "--filter", "t*,nothing"], 2, "matches `nothing`; there are: toy");
    ends(&[&folder, "--reference", "--filter", "{toy,k}"], 2, "matches `k`");
    ends(&[&folder, "--reference", "--dump", &folder], 2, "would replace what it is compared with");
    ends(&[&folder], 3, "needs a device");
    std::fs::write(scratch.0.join("bad.safetensors"), b"not one").unwrap();
    ends(&[&folder, "--reference", "--filter", "bad"], 2, "byte 7: the file ends within its first 8 bytes");
    let json = scratch.0.join("errors.json").display().to_string();
    ends(&[&folder, "--reference", "--json", &json], 2, "2 of 2 files failed");
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    assert_eq!((&report["failed"], &report["files"][1]["file"]), (&2.into(), &"toy".into()));
    assert!(report["files"][1]["error"].as_str().unwrap().contains("is not known"));
}
