//! Compiled pipelines: kept in a file, and compiled before they are needed.
#![cfg(feature = "gpu")]

mod common;

use std::fs;
use std::path::PathBuf;

use common::own_device;
use kuramoto::{CachedPipelines, Context, DType, Result, StepOptions, Tensor, ops};

/// A folder of this test alone.
fn folder(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("pipelines-{name}"));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

fn step(context: &Context) -> Result<Vec<f32>> {
    let x = Tensor::from_slice(context, &[0.6, 0.8, 0.0, 1.0], &[1, 4, 1], DType::F32)?;
    let gamma = Tensor::from_slice(context, &[0.5], &[1], DType::F32)?;
    let mut commands = context.commands();
    let (next, _) = commands.sphere_step(&x, &x, &gamma, None, &StepOptions::new(2, 1))?;
    commands.read(&next)
}

#[test]
fn prewarming_compiles_what_an_earlier_run_used_and_nothing_is_compiled_after() {
    let context = own_device();
    assert!(context.compiled().is_empty());
    step(&context).unwrap();
    let names = context.compiled();
    assert!(!names.is_empty());

    let next = own_device();
    let warmed = ops::prewarm(&next, &names).unwrap();
    assert_eq!((warmed.compiled, warmed.unknown.len()), (names.len(), 0), "{names:?}");
    assert_eq!(next.compiled(), names);
    step(&next).unwrap();
    assert_eq!(next.compiled(), names, "the step compiled more than its earlier run");
}

#[test]
fn every_pipeline_of_the_library_has_a_name_that_prewarming_finds_or_refuses_by_name() {
    let context = own_device();
    // Two kernels with constants, two without; compiling all takes minutes on a software driver.
    let some = ["matmul f32", "matmul_reg f32 ACROSS=8", "sphere_step_reg f32 N=4 PER=16", "scale f32"];
    for name in some {
        let warmed = ops::prewarm(&context, &[name]).unwrap();
        assert_eq!(warmed.compiled, 1, "{name}");
        assert!(context.compiled().contains(&name.to_owned()), "{name}: {:?}", context.compiled());
    }
    let odd = ["", "no_such_kernel f32", "matmul_reg f32", "matmul_reg f32 ACROSS=9", "matmul u32"];
    let warmed = ops::prewarm(&context, &odd).unwrap();
    assert_eq!(warmed.compiled, 0);
    assert_eq!(warmed.unknown, odd);
}

#[test]
fn a_cache_file_is_written_read_and_refused_when_damaged() {
    let context = own_device();
    let path = folder("file").join("cache");
    let Some(name) = context.pipeline_cache_name() else {
        assert_eq!(context.open_pipeline_cache(&path).unwrap(), CachedPipelines::Unsupported);
        assert_eq!(context.save_pipeline_cache(&path).unwrap(), 0);
        return;
    };
    assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{name} is no file name");
    assert_eq!(context.save_pipeline_cache(&path).unwrap(), 0, "no cache is open");
    assert!(!path.exists());
    assert_eq!(context.open_pipeline_cache(&path).unwrap(), CachedPipelines::Absent);
    let plain = step(&context).unwrap();
    let bytes = context.save_pipeline_cache(&path).unwrap();
    assert_eq!(bytes, fs::metadata(&path).unwrap().len());
    assert!(bytes > 16);

    let next = own_device();
    assert_eq!(next.open_pipeline_cache(&path).unwrap(), CachedPipelines::Loaded);
    assert_eq!(step(&next).unwrap(), plain);

    let whole = fs::read(&path).unwrap();
    let damaged = [&whole[..whole.len() - 1], &[0; 3], &[whole.as_slice(), &[1]].concat()].map(<[u8]>::to_vec);
    for bytes in damaged {
        fs::write(&path, bytes).unwrap();
        let next = own_device();
        assert_eq!(next.open_pipeline_cache(&path).unwrap(), CachedPipelines::Damaged);
        assert_eq!(step(&next).unwrap(), plain);
    }
    assert!(context.save_pipeline_cache(&path).unwrap() > 0, "a damaged file is replaced");
    assert_eq!(own_device().open_pipeline_cache(&path).unwrap(), CachedPipelines::Loaded);
}

#[test]
fn a_cache_that_cannot_be_read_or_written_is_an_error_with_its_path() {
    let context = own_device();
    if context.pipeline_cache_name().is_none() {
        return;
    }
    let folder = folder("errors");
    let error = context.open_pipeline_cache(&folder).unwrap_err();
    assert!(error.to_string().contains(&folder.display().to_string()), "{error}");
    let inside = folder.join("missing").join("cache");
    assert_eq!(context.open_pipeline_cache(&inside).unwrap(), CachedPipelines::Absent);
    step(&context).unwrap();
    let error = context.save_pipeline_cache(&inside).unwrap_err();
    assert!(error.to_string().contains(&inside.display().to_string()), "{error}");
}
