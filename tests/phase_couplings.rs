//! Couplings of phases beyond conformance: what a shift of all phases does, known networks, and what is refused.
#![cfg(feature = "gpu")]

mod common;

use common::{device, numbers, refused};
use kuramoto::{
    Boundary, Context, DType, EdgeCoupling, ErrorKind, Graph, LatticeCoupling, Result, Tape, Tensor, Triangles, Var,
};

fn upload(context: &Context, data: &[f32], shape: &[usize]) -> Result<Tensor> {
    Tensor::from_slice(context, data, shape, DType::F32)
}

fn leaf(tape: &mut Tape, data: &[f32], shape: &[usize]) -> Result<Var> {
    let value = tape.upload(data, shape, DType::F32)?;
    Ok(tape.leaf(value))
}

/// Phases on a grid of `2^-16`, so that their differences, and those of phases shifted by a half, are exact.
fn phases(len: usize) -> Vec<f32> {
    numbers(3, len).iter().map(|v| (v * 3.0 * 65536.0).round() / 65536.0).collect()
}

/// Every node listens to the next two of a ring and the last to the first only.
fn ring(nodes: usize) -> Graph {
    let edges: Vec<_> = (0..nodes).flat_map(|i| [(i, (i + 1) % nodes), (i, (i + 2) % nodes)]).collect();
    Graph::from_edges(nodes, &edges[..edges.len() - 1]).unwrap()
}

#[test]
fn a_shift_of_all_phases_changes_no_bit_of_the_rates() -> Result<()> {
    let context = device();
    let mut commands = context.commands();
    let (batch, nodes) = (2, 36);
    let graph = ring(nodes);
    let edges = graph.edge_count();
    let base = upload(&context, &numbers(4, nodes), &[nodes])?;
    let weights = upload(&context, &numbers(5, edges), &[1, edges])?;
    let stencil = upload(&context, &numbers(6, 9), &[3, 3])?;
    let strength = upload(&context, &[0.75, 1.5], &[batch])?;
    let zeros = upload(&context, &vec![0.0; edges], &[1, edges])?;
    let no_lag = upload(&context, &[0.0; 2], &[batch])?;
    let list: Vec<_> = (0..nodes).map(|i| [i, (i + 1) % nodes, (i + 5) % nodes]).collect();
    let triangles = Triangles::new(nodes, &list)?;
    let of_triangles = upload(&context, &numbers(7, nodes), &[nodes])?;
    let mut rates = Vec::new();
    for shift in [0.0, 0.5] {
        let theta: Vec<f32> = phases(batch * nodes).iter().map(|v| v + shift).collect();
        let theta = upload(&context, &theta, &[batch, nodes])?;
        let coupling = EdgeCoupling { weights: &weights, strength: &strength, lag: &zeros };
        let rate = commands.couple_phases(&theta, &base, &coupling, &graph, 3)?;
        let mut all = commands.read(&rate)?;
        let rate = commands.couple_triangles(&theta, &base, &of_triangles, &strength, &triangles)?;
        all.extend(commands.read(&rate)?);
        let coupling = LatticeCoupling { weights: &stencil, strength: &strength, lag: &no_lag };
        for boundary in [Boundary::Periodic, Boundary::Open] {
            let theta = theta.reshape(&[batch, 4, 9])?;
            let rate = commands.couple_lattice(&theta, &base.reshape(&[4, 9])?, &coupling, boundary)?;
            all.extend(commands.read(&rate)?);
        }
        rates.push(all);
    }
    assert_eq!(rates[0], rates[1]);
    // A shift that is not global does change them.
    assert_ne!(rates[0][..nodes], rates[0][nodes..2 * nodes]);
    Ok(())
}

#[test]
fn all_to_all_is_the_mean_field() -> Result<()> {
    let mut tape = Tape::reference();
    let (nodes, q, k, lag) = (17, 2.0, 1.5, 0.3);
    let edges: Vec<_> = (0..nodes).flat_map(|i| (0..nodes).map(move |j| (i, j))).collect();
    let graph = Graph::from_edges(nodes, &edges)?;
    let data = phases(nodes);
    let (theta, base) = (leaf(&mut tape, &data, &[1, nodes])?, leaf(&mut tape, &numbers(4, nodes), &[nodes])?);
    let coupling = EdgeCoupling {
        weights: leaf(&mut tape, &vec![1.0 / 32.0; nodes * nodes], &[1, nodes * nodes])?,
        strength: leaf(&mut tape, &[k], &[1])?,
        lag: leaf(&mut tape, &[lag], &[1, 1])?,
    };
    let rate = tape.couple_phases(theta, base, &coupling, &graph, q as u32)?;
    let rate = tape.read(rate)?;
    let sum = |f: fn(f64) -> f64| data.iter().map(|v| f(q * f64::from(*v))).sum::<f64>() / 32.0;
    let (re, im) = (sum(f64::cos), sum(f64::sin));
    for ((rate, base), own) in rate.iter().zip(numbers(4, nodes)).zip(&data) {
        let angle = q * f64::from(*own) + f64::from(lag);
        let want = f64::from(base) + f64::from(k) * (im * angle.cos() - re * angle.sin());
        assert!((rate - want).abs() < 1e-12, "{rate} {want}");
    }
    Ok(())
}

/// The edges of a lattice by definition, in the order of a graph, with the taps that make them.
fn lattice(height: usize, width: usize, [kh, kw]: [usize; 2], boundary: Boundary) -> Vec<((usize, usize), usize)> {
    let axis = |at: usize, tap: usize, k: usize, extent: usize| {
        let place = (at + tap) as i64 - (k / 2) as i64;
        match boundary {
            Boundary::Periodic => Some(place.rem_euclid(extent as i64) as usize),
            Boundary::Open => usize::try_from(place).ok().filter(|place| *place < extent),
        }
    };
    let mut edges = Vec::new();
    for at in 0..height * width {
        for tap in 0..kh * kw {
            let row = axis(at / width, tap / kw, kh, height);
            if let Some((row, col)) = row.zip(axis(at % width, tap % kw, kw, width)) {
                edges.push(((at, row * width + col), tap));
            }
        }
    }
    edges.sort_unstable();
    edges
}

#[test]
fn a_lattice_is_a_graph_whose_weights_repeat() -> Result<()> {
    for (boundary, stencil) in [(Boundary::Periodic, [3, 5]), (Boundary::Open, [5, 3]), (Boundary::Open, [9, 11])] {
        let (batch, height, width) = (2, 4, 6);
        let edges = lattice(height, width, stencil, boundary);
        let pairs: Vec<_> = edges.iter().map(|(pair, _)| *pair).collect();
        let graph = Graph::from_edges(height * width, &pairs)?;
        let mut tape = Tape::reference();
        let taps = stencil[0] * stencil[1];
        let of_taps = numbers(5, taps);
        let of_edges: Vec<f32> = edges.iter().map(|(_, tap)| of_taps[*tap]).collect();
        let theta = leaf(&mut tape, &phases(batch * height * width), &[batch, height, width])?;
        let base = leaf(&mut tape, &numbers(4, height * width), &[height, width])?;
        let strength = leaf(&mut tape, &[0.75, 1.5], &[batch])?;
        let lag = leaf(&mut tape, &[0.25, -0.5], &[batch])?;
        let weights = leaf(&mut tape, &of_taps, &stencil)?;
        let coupling = LatticeCoupling { weights, strength, lag };
        let by_taps = tape.couple_lattice(theta, base, &coupling, boundary)?;
        let flat = tape.reshape(theta, &[batch, height * width])?;
        let base = tape.reshape(base, &[height * width])?;
        let lag = tape.reshape(lag, &[batch, 1])?;
        let weights = leaf(&mut tape, &of_edges, &[1, edges.len()])?;
        let by_edges = tape.couple_phases(flat, base, &EdgeCoupling { weights, strength, lag }, &graph, 1)?;
        let (by_taps, by_edges) = (tape.read(by_taps)?, tape.read(by_edges)?);
        let worst = by_taps.iter().zip(&by_edges).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(worst < 1e-12, "{boundary:?} {stencil:?}: {worst:e}");
    }
    Ok(())
}

#[test]
fn extents_that_do_not_fit_are_refused() -> Result<()> {
    let context = device();
    let mut commands = context.commands();
    let graph = ring(3);
    let zeros = |shape: &[usize]| upload(&context, &vec![0.0; shape.iter().product()], shape);
    type Shapes<'a> = [&'a [usize]; 5];
    let fits: Shapes = [&[2, 3], &[3], &[1, 5], &[2], &[2, 1]];
    let wrong: [(usize, &[usize], &str); 6] = [
        (0, &[2, 3, 1], "theta is [2, 3, 1], expected [B, 3]"),
        (0, &[2, 4], "theta is [2, 4], expected [B, 3] for a graph of 3 nodes"),
        (1, &[1, 3], "base is [1, 3], expected [3] or [2, 3]"),
        (2, &[5], "weights is [5], expected [1, 5] or [2, 5] for 5 edges"),
        (3, &[1], "strength is [1], expected [2]"),
        (4, &[2], "lag is [2], expected [2, 1] or [1, 5]"),
    ];
    for (at, shape, message) in wrong {
        let mut shapes = fits;
        shapes[at] = shape;
        let [theta, base, weights, strength, lag] = shapes.map(|shape| zeros(shape).unwrap());
        let coupling = EdgeCoupling { weights: &weights, strength: &strength, lag: &lag };
        let found = commands.couple_phases(&theta, &base, &coupling, &graph, 1);
        refused(found, ErrorKind::Shape, &format!("couple_phases: {message}"));
    }
    let [theta, base, weights, strength, lag] = fits.map(|shape| zeros(shape).unwrap());
    let coupling = EdgeCoupling { weights: &weights, strength: &strength, lag: &lag };
    commands.couple_phases(&theta, &base, &coupling, &graph, 1000)?;
    for harmonic in [0, 1001] {
        let found = commands.couple_phases(&theta, &base, &coupling, &graph, harmonic);
        let message = format!("couple_phases: harmonic is {harmonic}, expected 1 to 1000");
        refused(found, ErrorKind::Param, &message);
    }

    let fits: Shapes = [&[2, 2, 3], &[2, 3], &[3, 5], &[2], &[2]];
    let wrong: [(usize, &[usize], Boundary, ErrorKind, &str); 7] = [
        (0, &[2, 3], Boundary::Open, ErrorKind::Shape, "theta is [2, 3], expected [B, H, W]"),
        (1, &[3, 2], Boundary::Open, ErrorKind::Shape, "base is [3, 2], expected [2, 3] or [2, 2, 3]"),
        (2, &[9], Boundary::Open, ErrorKind::Shape, "weights is [9], expected [kh, kw]"),
        (2, &[2, 3], Boundary::Open, ErrorKind::Param, "weights is 2 x 3, expected odd, so that it has a centre"),
        (
            2,
            &[5, 3],
            Boundary::Periodic,
            ErrorKind::Shape,
            "weights is [5, 3], expected at most [3, 5] on a periodic lattice of 2 x 3",
        ),
        (3, &[3], Boundary::Open, ErrorKind::Shape, "strength is [3], expected [2]"),
        (4, &[2, 1], Boundary::Open, ErrorKind::Shape, "lag is [2, 1], expected [2]"),
    ];
    for (at, shape, boundary, kind, message) in wrong {
        let mut shapes = fits;
        shapes[at] = shape;
        let [theta, base, weights, strength, lag] = shapes.map(|shape| zeros(shape).unwrap());
        let coupling = LatticeCoupling { weights: &weights, strength: &strength, lag: &lag };
        let found = commands.couple_lattice(&theta, &base, &coupling, boundary);
        refused(found, kind, &format!("couple_lattice: {message}"));
    }
    Ok(())
}

#[test]
fn all_triangles_are_the_square_of_the_mean_field() -> Result<()> {
    let mut tape = Tape::reference();
    let (nodes, k) = (9, 1.5f32);
    let pairs = |i: usize| (0..nodes).flat_map(move |j| (j + 1..nodes).map(move |k| [i, j, k]));
    let list: Vec<_> = (0..nodes).flat_map(pairs).filter(|[i, j, k]| i != j && i != k).collect();
    let triangles = Triangles::new(nodes, &list)?;
    let data = phases(nodes);
    let (theta, base) = (leaf(&mut tape, &data, &[1, nodes])?, leaf(&mut tape, &numbers(4, nodes), &[nodes])?);
    let weights = leaf(&mut tape, &vec![1.0; list.len()], &[list.len()])?;
    let strength = leaf(&mut tape, &[k], &[1])?;
    let rate = tape.couple_triangles(theta, base, weights, strength, &triangles)?;
    let rate = tape.read(rate)?;
    for (i, own) in data.iter().enumerate() {
        // With a_j = theta_j - theta_i: sum_{j < k} sin(a_j + a_k) = (sum sin a)(sum cos a) - 1/2 sum sin 2a.
        let others: Vec<f64> =
            data.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, v)| f64::from(*v) - f64::from(*own)).collect();
        let sum = |f: fn(f64) -> f64| others.iter().map(|v| f(*v)).sum::<f64>();
        let twice: f64 = others.iter().map(|v| (2.0 * v).sin()).sum();
        let want = f64::from(numbers(4, nodes)[i]) + f64::from(k) * (sum(f64::sin) * sum(f64::cos) - 0.5 * twice);
        assert!((rate[i] - want).abs() < 1e-12, "{} {want}", rate[i]);
    }
    Ok(())
}

#[test]
fn every_defect_of_triangles_is_named() -> Result<()> {
    let defects: [(&[[usize; 3]], &str); 5] = [
        (&[[0, 1, 2], [3, 4, 1]], "a triangle is [3, 4, 1] with node 4, expected nodes below 4"),
        (&[[0, 0, 2]], "a triangle is [0, 0, 2], expected three different nodes"),
        (&[[2, 0, 2]], "a triangle is [2, 0, 2], expected three different nodes"),
        (&[[2, 1, 1]], "a triangle is [2, 1, 1], expected three different nodes"),
        (
            &[[2, 0, 1], [0, 1, 2], [2, 1, 0]],
            "a triangle is [2, 0, 1] once more, expected each triangle once: add the weights",
        ),
    ];
    for (list, message) in defects {
        refused(Triangles::new(4, list), ErrorKind::Csr, &format!("Triangles::new: {message}"));
    }
    let triangles = Triangles::new(4, &[[3, 2, 0], [0, 3, 1], [0, 2, 1]])?;
    assert_eq!((triangles.nodes(), triangles.count()), (4, 3));
    assert_eq!(triangles.list().collect::<Vec<_>>(), [[0, 1, 2], [0, 1, 3], [3, 0, 2]]);

    let context = device();
    let mut commands = context.commands();
    let fits: [&[usize]; 4] = [&[2, 4], &[4], &[3], &[2]];
    let wrong: [(usize, &[usize], &str); 5] = [
        (0, &[8], "theta is [8], expected [B, 4]"),
        (0, &[2, 5], "theta is [2, 5], expected [B, 4] for triangles between 4 nodes"),
        (1, &[1, 4], "base is [1, 4], expected [4] or [2, 4]"),
        (2, &[1, 3], "weights is [1, 3], expected [3]"),
        (3, &[4], "strength is [4], expected [2]"),
    ];
    for (at, shape, message) in wrong {
        let mut shapes = fits;
        shapes[at] = shape;
        let [theta, base, weights, strength] =
            shapes.map(|shape| upload(&context, &vec![0.0; shape.iter().product()], shape).unwrap());
        let found = commands.couple_triangles(&theta, &base, &weights, &strength, &triangles);
        refused(found, ErrorKind::Shape, &format!("couple_triangles: {message}"));
    }
    Ok(())
}
