//! Laws of the Kuramoto-Lohe model and of its schemes.

#![cfg(feature = "gpu")]

mod common;

use common::device;
use kuramoto::network::{
    Coupling, Lohe, LoheCoupling, LoheScheme, Network, RunOptions, Scheme, State, Term, phases, run,
};
use kuramoto::{DType, Graph, Result, Tape, Var};

const ALL: [LoheScheme; 5] =
    [LoheScheme::Projected, LoheScheme::Splitting, LoheScheme::Geodesic, LoheScheme::Flow, LoheScheme::Rk4];

fn tapes() -> [Tape; 2] {
    [Tape::reference(), Tape::new(&device())]
}

fn f32s(tape: &mut Tape, data: &[f64], shape: &[usize]) -> Result<Var> {
    let value = tape.upload(data, shape, DType::F32)?;
    Ok(tape.constant(value))
}

fn unit(count: usize, n: usize) -> Vec<f64> {
    let mut data: Vec<f64> = (0..count * n).map(|i| (1.3 * i as f64 + 0.4).sin() + 0.1).collect();
    for v in data.chunks_mut(n) {
        let norm = v.iter().map(|v| v * v).sum::<f64>().sqrt();
        v.iter_mut().for_each(|v| *v /= norm);
    }
    data
}

fn ring(nodes: usize) -> Graph {
    let edges: Vec<(usize, usize)> = (0..nodes).flat_map(|i| [(i, (i + 1) % nodes), ((i + 1) % nodes, i)]).collect();
    Graph::from_edges(nodes, &edges).unwrap()
}

/// Five oscillators on a ring, with frequencies where `n` is even.
fn model(tape: &mut Tape, n: usize) -> Result<Lohe> {
    let weights: Vec<f64> = (0..10).map(|e| 0.4 + 0.1 * f64::from(e)).collect();
    let frequencies: Vec<f64> = (0..5 * (n / 2)).map(|i| 0.3 * (i as f64 - 2.0)).collect();
    let frequencies = match n % 2 {
        0 => Some(f32s(tape, &frequencies, &[5, n / 2])?),
        _ => None,
    };
    let coupling = LoheCoupling::Edges { graph: ring(5), weights: f32s(tape, &weights, &[10])? };
    Ok(Lohe { frequencies, coupling, strength: 0.8, field: None })
}

fn after(
    tape: &mut Tape,
    lohe: &Lohe,
    x: &[f64],
    n: usize,
    gamma: f32,
    steps: usize,
    scheme: LoheScheme,
) -> Result<Vec<f64>> {
    let nodes = x.len() / n;
    let mut x = f32s(tape, x, &[1, nodes, n])?;
    for _ in 0..steps {
        x = lohe.step(tape, x, gamma, scheme)?;
    }
    tape.read(x)
}

fn apart(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

// E1 to E5 integrate one and the same flow, each of its order.
#[test]
fn all_schemes_converge_to_one_flow_at_their_orders() -> Result<()> {
    let mut tape = Tape::reference();
    for n in [2, 3, 4] {
        let lohe = model(&mut tape, n)?;
        let x = unit(5, n);
        let exact = after(&mut tape, &lohe, &x, n, 0.002, 500, LoheScheme::Rk4)?;
        for scheme in ALL {
            let [coarse, fine] = [(0.1f32, 10), (0.05, 20)].map(|(gamma, steps)| {
                after(&mut tape, &lohe, &x, n, gamma, steps, scheme).map(|end| apart(&end, &exact))
            });
            let (coarse, fine) = (coarse?, fine?);
            let order = (coarse / fine).log2();
            let expected = if scheme == LoheScheme::Rk4 { 4.0 } else { 1.0 };
            assert!((order - expected).abs() < 0.35, "{scheme:?}, n = {n}: order {order} ({coarse:.1e}, {fine:.1e})");
        }
    }
    Ok(())
}

// L1 on both backends, and the device against the reference.
#[test]
fn states_stay_on_the_sphere_and_the_device_follows_the_reference() -> Result<()> {
    for n in [2, 3, 8] {
        for scheme in ALL {
            let mut ends = Vec::new();
            for mut tape in tapes() {
                let lohe = model(&mut tape, n)?;
                let end = after(&mut tape, &lohe, &unit(5, n), n, 0.1, 12, scheme)?;
                for v in end.chunks(n) {
                    let norm = v.iter().map(|v| v * v).sum::<f64>().sqrt();
                    assert!((norm - 1.0).abs() < 2e-6, "{scheme:?}, n = {n}: a norm of {norm}");
                }
                ends.push(end);
            }
            let off = apart(&ends[0], &ends[1]);
            assert!(off < 1e-5, "{scheme:?}, n = {n}: the device is off by {off:.1e}");
        }
    }
    Ok(())
}

// L3: a rotation of everything commutes with every scheme.
#[test]
fn a_rotation_of_all_oscillators_commutes_with_a_step() -> Result<()> {
    let n = 3;
    let (s, c) = 0.7f64.sin_cos();
    let turn = |x: &[f64]| -> Vec<f64> {
        x.chunks(n).flat_map(|v| [c * v[0] - s * v[2], v[1], s * v[0] + c * v[2]]).collect()
    };
    let mut tape = Tape::new(&device());
    let lohe = model(&mut tape, n)?;
    for scheme in ALL {
        let x = unit(5, n);
        let one = after(&mut tape, &lohe, &turn(&x), n, 0.3, 1, scheme)?;
        let other = turn(&after(&mut tape, &lohe, &x, n, 0.3, 1, scheme)?);
        assert!(apart(&one, &other) < 1e-5, "{scheme:?}: {:.1e}", apart(&one, &other));
    }
    Ok(())
}

// On the circle it is the Kuramoto model.
#[test]
fn on_the_circle_it_is_the_network_of_phases() -> Result<()> {
    let mut tape = Tape::new(&device());
    let (graph, nodes) = (ring(5), 5);
    let lohe = model(&mut tape, 2)?;
    let theta: Vec<f64> = unit(5, 2).chunks(2).map(|v| v[1].atan2(v[0])).collect();
    let points: Vec<f64> = theta.iter().flat_map(|t| [t.cos(), t.sin()]).collect();
    let end = after(&mut tape, &lohe, &points, 2, 0.05, 40, LoheScheme::Rk4)?;
    let mut value = |data: &[f64], shape: &[usize]| tape.upload(data, shape, DType::F32);
    let weights: Vec<f64> = (0..10).map(|e| 0.4 + 0.1 * f64::from(e)).collect();
    let coupling =
        Coupling::Edges { graph, weights: value(&weights, &[1, 10])?, lag: value(&[0.0], &[1, 1])?, harmonic: 1 };
    // A frequency of the sphere lets the angle fall.
    let frequencies: Vec<f64> = (0..nodes).map(|i| -0.3 * (i as f64 - 2.0)).collect();
    let term = Term { coupling, strength: value(&[0.8], &[1])? };
    let network = Network::first_order(value(&frequencies, &[nodes])?, vec![term]);
    let start = State::at(value(&theta, &[1, nodes])?);
    let record = run(&mut tape, &network, &start, &RunOptions::new(Scheme::Rk4, 0.05, 40), &[phases()], &mut |_| ())?;
    for (v, theta) in end.chunks(2).zip(&record.observables[0].samples[1]) {
        assert!((v[0] - theta.cos()).abs() < 1e-5 && (v[1] - theta.sin()).abs() < 1e-5, "{v:?} against {theta}");
    }
    Ok(())
}

// L7 and L8.
#[test]
fn mean_fields_keep_cross_ratios_and_attraction_aligns() -> Result<()> {
    let mut tape = Tape::new(&device());
    let (nodes, n) = (12, 3);
    let x = unit(nodes, n);
    let lohe = |strength: f32| Lohe { frequencies: None, coupling: LoheCoupling::MeanField, strength, field: None };
    let end = after(&mut tape, &lohe(1.0), &x, n, 0.01, 150, LoheScheme::Rk4)?;
    let far = |x: &[f64], i: usize, j: usize| (0..n).map(|k| (x[n * i + k] - x[n * j + k]).powi(2)).sum::<f64>().sqrt();
    let ratio = |x: &[f64], [i, j, k, l]: [usize; 4]| far(x, i, j) * far(x, k, l) / (far(x, i, k) * far(x, j, l));
    for four in [[0, 1, 2, 3], [4, 7, 9, 2], [11, 3, 8, 5]] {
        let (before, now) = (ratio(&x, four), ratio(&end, four));
        assert!((now / before - 1.0).abs() < 1e-4, "{four:?}: {now} after {before}");
    }
    let length = |x: &[f64]| {
        let mean = |k: usize| x.chunks(n).map(|v| v[k]).sum::<f64>() / nodes as f64;
        (0..n).map(|k| mean(k).powi(2)).sum::<f64>().sqrt()
    };
    let aligned = after(&mut tape, &lohe(1.0), &x, n, 0.2, 200, LoheScheme::Geodesic)?;
    assert!(length(&aligned) > 1.0 - 1e-5, "{}", length(&aligned));
    let balanced = after(&mut tape, &lohe(-1.0), &x, n, 0.2, 400, LoheScheme::Geodesic)?;
    assert!(length(&balanced) < 1e-3, "{}", length(&balanced));
    Ok(())
}

// Dense, sparse and mean field are one coupling where they should be; blocks and fields enter.
#[test]
fn all_forms_of_coupling_agree() -> Result<()> {
    let mut tape = Tape::new(&device());
    let (nodes, n) = (6, 4);
    let pairs: Vec<(usize, usize)> = (0..nodes).flat_map(|i| (0..nodes).map(move |j| (i, j))).collect();
    let weights = vec![1.0 / 6.0; 36];
    let dense = f32s(&mut tape, &weights, &[6, 6])?;
    let sparse = f32s(&mut tape, &weights, &[36])?;
    let field = f32s(&mut tape, &unit(nodes, n), &[1, nodes, n])?;
    let graph = Graph::from_edges(nodes, &pairs)?;
    let mut ends = Vec::new();
    for coupling in [
        LoheCoupling::MeanField,
        LoheCoupling::Dense { weights: dense },
        LoheCoupling::Edges { graph, weights: sparse },
    ] {
        let lohe = Lohe { frequencies: None, coupling, strength: 2.0, field: Some(field) };
        ends.push(after(&mut tape, &lohe, &unit(nodes, n), n, 0.2, 3, LoheScheme::Projected)?);
    }
    assert!(apart(&ends[0], &ends[1]) < 1e-5 && apart(&ends[0], &ends[2]) < 1e-5);
    Ok(())
}

// Phases and unit vectors are two forms of one model: what each loses to rounding, against its own f64 run.
#[test]
fn phases_and_unit_vectors_lose_about_as_much_to_rounding() -> Result<()> {
    let nodes = 100;
    let edges: Vec<(usize, usize)> =
        (0..nodes).flat_map(|i| [1, 2, 97, 98, 99, 31].map(move |d| (i, (i + d) % nodes))).collect();
    let graph = Graph::from_edges(nodes, &edges)?;
    let weights = vec![0.2; graph.edge_count()];
    let omega: Vec<f64> = (0..nodes).map(|i| 0.5 * (1.7 * i as f64).sin()).collect();
    let theta: Vec<f64> = (0..nodes).map(|i| (2.3 * i as f64).sin() * 3.0).collect();
    let (h, steps) = (0.02f32, 500);
    let (mut angles, mut vectors) = (Vec::new(), Vec::new());
    for mut tape in tapes() {
        let mut value = |data: &[f64], shape: &[usize]| tape.upload(data, shape, DType::F32);
        let coupling = Coupling::Edges {
            graph: graph.clone(),
            weights: value(&weights, &[1, weights.len()])?,
            lag: value(&[0.0], &[1, 1])?,
            harmonic: 1,
        };
        let term = Term { coupling, strength: value(&[1.0], &[1])? };
        let network = Network::first_order(value(&omega, &[nodes])?, vec![term]);
        let start = State::at(value(&theta, &[1, nodes])?);
        let record =
            run(&mut tape, &network, &start, &RunOptions::new(Scheme::Rk4, h, steps), &[phases()], &mut |_| ())?;
        angles.push(record.observables[0].samples[1].clone());

        let falling: Vec<f64> = omega.iter().map(|w| -w).collect();
        let frequencies = Some(f32s(&mut tape, &falling, &[nodes, 1])?);
        let coupling =
            LoheCoupling::Edges { graph: graph.clone(), weights: f32s(&mut tape, &weights, &[weights.len()])? };
        let lohe = Lohe { frequencies, coupling, strength: 1.0, field: None };
        let points: Vec<f64> = theta.iter().flat_map(|t| [t.cos(), t.sin()]).collect();
        let end = after(&mut tape, &lohe, &points, 2, h, steps, LoheScheme::Rk4)?;
        vectors.push(end.chunks(2).map(|v| v[1].atan2(v[0])).collect::<Vec<f64>>());
    }
    let largest = |a: &[f64], b: &[f64]| {
        let tau = std::f64::consts::TAU;
        a.iter().zip(b).map(|(a, b)| (a - b - tau * ((a - b) / tau).round()).abs()).fold(0.0, f64::max)
    };
    let [of_angles, of_vectors] = [largest(&angles[0], &angles[1]), largest(&vectors[0], &vectors[1])];
    let between = largest(&angles[0], &vectors[0]);
    println!(
        "phases {of_angles:.2e} rad, unit vectors {of_vectors:.2e} rad; between the forms in f64 {between:.2e} rad"
    );
    assert!(of_angles < 2e-5 && of_vectors < 2e-5, "phases {of_angles:.1e}, unit vectors {of_vectors:.1e}");
    // The schemes differ at their order: one steps along the circle, one through the plane.
    assert!(between < 1e-4, "the forms are {between:.1e} apart");
    Ok(())
}
