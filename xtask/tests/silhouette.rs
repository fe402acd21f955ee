//! The silhouette experiment must show what it is said to show: on a device where there is one, else on the f64
//! reference.

use kuramoto::{Context, Tape};
use xtask::adapter::AdapterArgs;
use xtask::experiment::{Run, Settings, run};
use xtask::pictures::Silhouette;

/// The chosen adapter's device; KURAMOTO_ADAPTER counts, as for the commands.
fn device() -> Option<Context> {
    let args = AdapterArgs { adapter: std::env::var("KURAMOTO_ADAPTER").ok(), driver: None };
    let context = Context::from_adapter(&args.choose().ok()?).ok();
    assert!(context.is_some(), "there is an adapter, but it gives no device");
    context
}

fn tape() -> Tape {
    device().map_or_else(Tape::reference, |context| Tape::new(&context))
}

fn fish(settings: &Settings) -> Silhouette {
    Silhouette::fish(settings.size).unwrap()
}

fn finished(settings: &Settings) -> Run {
    let mut states = 0;
    let run = run(tape(), settings, &fish(settings), &mut |_, _| states += 1).unwrap();
    assert_eq!((states, run.energy.len(), run.order.len()), (settings.steps + 1, settings.steps, settings.steps + 1));
    run
}

#[test]
fn symmetric_coupling_shows_the_shape_and_never_raises_the_energy() {
    for seed in 0..10 {
        let settings = Settings { seed, symmetric: true, scale: 0.7, ..Settings::default() };
        let run = finished(&settings);
        let last = run.last();
        assert!(last.outside > 0.95, "seed {seed}: outside {}", last.outside);
        assert!(last.inside < 0.3, "seed {seed}: inside {}", last.inside);
        let (rise, rounding) = (run.largest_rise(), run.energy_rounding);
        assert!(run.energy_never_rose(), "seed {seed}: the energy rose by {rise}, rounding explains {rounding}");
        // A bound that nothing could exceed would prove nothing: it is far below what the energy falls by.
        let fall = run.energy[0] - run.energy[settings.steps - 1];
        assert!(rounding < 1e-4 * fall, "seed {seed}: rounding {rounding}, fall {fall}");
    }
}

#[test]
fn the_default_run_shows_the_shape() {
    let last = finished(&Settings::default()).last();
    assert!(last.outside > 0.9 && last.inside < 0.6, "{last:?}");
}

#[test]
fn without_a_silhouette_every_region_locks() {
    let last = finished(&Settings { silhouette: false, ..Settings::default() }).last();
    assert!(last.outside > 0.9 && last.inside > 0.9 && last.all > 0.9, "{last:?}");
}

/// The check of the energy must be able to fail: this coupling is not symmetric, and its energy does rise.
#[test]
fn an_asymmetric_coupling_may_raise_the_energy() {
    let run = finished(&Settings { seed: 5, ..Settings::default() });
    assert!(!run.energy_never_rose(), "largest rise {}", run.largest_rise());
}

#[test]
fn two_runs_with_one_seed_are_bit_identical() {
    let settings = Settings { size: 33, steps: 30, n: 4, omega: 0.5, seed: 7, ..Settings::default() };
    let bits = |run: Run| -> Vec<u64> {
        let order = run.order.into_iter().flat_map(|o| [o.outside, o.inside, o.all]);
        run.state.into_iter().chain(run.energy).chain(order).map(f64::to_bits).collect()
    };
    let first = bits(finished(&settings));
    assert!(first == bits(finished(&settings)));
    assert!(first != bits(finished(&Settings { seed: 8, ..settings })));
}

/// The same text on the f64 reference. A few steps only: the dynamics amplifies rounding, by at most
/// `(1 + gamma |J|)` a step, which is below 3 here.
#[test]
fn a_device_agrees_with_the_reference() {
    let Some(context) = device() else {
        eprintln!("skipped 1 check: there is no adapter");
        return;
    };
    for (n, omega, symmetric) in [(2, 0.0, false), (3, 0.0, true), (4, 0.5, false)] {
        let settings = Settings { size: 12, steps: 5, n, omega, symmetric, ..Settings::default() };
        let shape = fish(&settings);
        let got = run(Tape::new(&context), &settings, &shape, &mut |_, _| {}).unwrap();
        let wanted = run(Tape::reference(), &settings, &shape, &mut |_, _| {}).unwrap();
        let apart = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        let state = apart(&got.state, &wanted.state);
        assert!(state < 3f64.powi(5) * 1e-6, "n {n}: states are {state} apart");
        // Energies differ by their rounding and by what their states differ, to first order.
        let energy = apart(&got.energy, &wanted.energy);
        assert!(energy < wanted.energy_rounding + 3f64.powi(5) * 1e-6, "n {n}: energies are {energy} apart");
    }
}
