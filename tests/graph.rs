//! Sparse and dense coupling beyond conformance: every defect of a graph by name, and the ways to say the same coupling.
#![cfg(feature = "gpu")]

mod common;

use common::{device, error_of, noop, numbers, sibling};
use kuramoto::{Context, DType, ErrorKind, Graph, Result, Tape, Tensor, wgpu};

fn upload(context: &Context, data: &[f32], shape: &[usize]) -> Result<Tensor> {
    Tensor::from_slice(context, data, shape, DType::F32)
}

/// 0 <- 1, 2; 1 <- 0; 2 <- nobody; 3 <- 0, 1, 3.
const INDPTR: [usize; 5] = [0, 2, 3, 3, 6];
const INDICES: [usize; 6] = [1, 2, 0, 0, 1, 3];

#[test]
fn every_defect_of_a_graph_is_named() {
    type Mutation = fn(&mut Vec<usize>, &mut Vec<usize>);
    let defects: [(Mutation, &str); 8] = [
        (|p, _| p.clear(), "indptr is empty, expected one number per node and one more"),
        (|p, _| p[0] = 1, "indptr[0] is 1, expected 0"),
        (|p, _| p[2] = 1, "indptr[2] is 1, expected at least indptr[1] = 2: rows do not overlap"),
        (|p, _| p[4] = 5, "indptr[4] is 5, expected 6, the number of indices"),
        (|_, j| j[1] = 4, "indices[1] in row 0 is 4, expected below 4, the number of nodes"),
        (|_, j| j.swap(3, 4), "indices[4] in row 3 is 0 after 1, expected increasing order within a row"),
        (|_, j| j[4] = 0, "indices[4] in row 3 is 0 once more, expected each sender once: add the weights"),
        (
            |p, _| p[4] = 1 << 33,
            "the size is 8589934592 edges between 4 nodes, expected at most 4294967295 of either: indices have 32 bits",
        ),
    ];
    assert!(Graph::new(&INDPTR, &INDICES).is_ok());
    for (mutate, message) in defects {
        let (mut indptr, mut indices) = (INDPTR.to_vec(), INDICES.to_vec());
        mutate(&mut indptr, &mut indices);
        let error = error_of(Graph::new(&indptr, &indices), message);
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::Csr, format!("Graph::new: {message}")));
    }
    let graph = Graph::new(&INDPTR, &INDICES).unwrap();
    graph.check_weights(&[1.0; 6]).unwrap();
    graph.check_weights(&[1.0; 24]).unwrap();
    for (weights, message) in [
        (
            vec![0.0, 0.0, 0.0, 0.0, f32::NAN, 0.0],
            "Graph: the weight of edge 4 in row 3 is NaN, expected a finite number",
        ),
        (vec![1.0; 7], "Graph: there are 7 weights, expected one or one block for 6 edges"),
    ] {
        let error = error_of(graph.check_weights(&weights), message);
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::Csr, message.to_string()));
    }
    for edges in [vec![(0, 4)], vec![(4, 0)], vec![(1, 1), (0, 2), (1, 1)]] {
        assert_eq!(error_of(Graph::from_edges(4, &edges), "edges").kind(), ErrorKind::Csr);
    }
}

/// Weights that name their edge: 10 times the receiver and the sender.
fn named(graph: &Graph) -> Vec<f32> {
    graph.edges().map(|(i, j)| (10 * i + j) as f32).collect()
}

#[test]
fn weighted_edges_are_sorted_with_their_weights() -> Result<()> {
    let (graph, weights) =
        Graph::from_weighted_edges(4, &[(3, 1, 31.0), (0, 2, 2.0), (3, 0, 30.0), (0, 1, 1.0), (1, 0, 10.0)])?;
    assert_eq!((graph.indptr(), graph.indices()), (&[0, 2, 3, 3, 5][..], &[1, 2, 0, 0, 1][..]));
    assert_eq!(weights, named(&graph));
    let why = Graph::from_weighted_edges(4, &[(3, 1, 1.0), (0, 2, f32::NAN)]).unwrap_err().to_string();
    assert_eq!(why, "Graph: the weight of edge 0 in row 0 is NaN, expected a finite number");
    let why = Graph::from_weighted_edges(4, &[(3, 1, 1.0), (3, 1, 2.0)]).unwrap_err();
    assert!(why.to_string().contains("in row 3 is 1 once more"), "{why}");
    Ok(())
}

#[cfg(feature = "sprs")]
#[test]
fn a_matrix_of_sprs_is_a_coupling() -> Result<()> {
    use sprs::{CsMat, TriMat};
    // Row 3 of the matrix is what node 3 listens to, whatever the storage.
    let mut entries = TriMat::new((4, 4));
    for (i, j) in [(3, 1), (0, 2), (3, 0), (1, 0)] {
        entries.add_triplet(i, j, (10 * i + j) as f32);
    }
    let (rows, columns): (CsMat<f32>, CsMat<f32>) = (entries.to_csr(), entries.to_csc());
    for matrix in [&rows, &columns] {
        let (graph, weights) = Graph::from_sprs(matrix)?;
        assert_eq!(graph.edges().collect::<Vec<_>>(), [(0, 2), (1, 0), (3, 0), (3, 1)]);
        assert_eq!(weights, named(&graph));
    }
    let wide = CsMat::<f32>::zero((2, 3));
    let why = error_of(Graph::from_sprs(&wide), "wide");
    assert_eq!(why.kind(), ErrorKind::Csr);
    assert_eq!(why.to_string(), "Graph::from_sprs: the matrix is of 2 rows and 3 columns, expected a square one");
    let broken = rows.map(|w| if *w == 30.0 { f32::INFINITY } else { *w });
    let why = error_of(Graph::from_sprs(&broken), "a weight").to_string();
    assert_eq!(why, "Graph: the weight of edge 2 in row 3 is inf, expected a finite number");
    Ok(())
}

#[cfg(feature = "petgraph")]
#[test]
fn an_edge_of_petgraph_ends_at_the_one_who_listens() -> Result<()> {
    use petgraph::graph::{DiGraph, UnGraph};
    let weigh = |w: &f32| *w;
    let (graph, weights) =
        Graph::from_petgraph(&DiGraph::<(), f32>::from_edges([(2, 0, 2.0), (0, 3, 30.0), (0, 1, 10.0)]), weigh)?;
    assert_eq!(graph.edges().collect::<Vec<_>>(), [(0, 2), (1, 0), (3, 0)]);
    assert_eq!(weights, named(&graph));
    // Both directions of an undirected edge have its weight; a loop is one edge.
    let both = UnGraph::<(), f32>::from_edges([(1, 0, 0.5), (1, 1, 2.0)]);
    let (graph, weights) = Graph::from_petgraph(&both, weigh)?;
    assert_eq!(graph.edges().zip(weights).collect::<Vec<_>>(), [((0, 1), 0.5), ((1, 0), 0.5), ((1, 1), 2.0)]);
    let parallel = UnGraph::<(), f32>::from_edges([(1, 0, 0.5), (0, 1, 2.0)]);
    let why = error_of(Graph::from_petgraph(&parallel, weigh), "parallel");
    assert_eq!(why.kind(), ErrorKind::Csr);
    assert!(why.to_string().contains("in row 0 is 1 once more"), "{why}");
    let nan = DiGraph::<(), f32>::from_edges([(2, 0, f32::NAN)]);
    let why = error_of(Graph::from_petgraph(&nan, weigh), "a weight").to_string();
    assert!(why.contains("the weight of edge 0 in row 0 is NaN"), "{why}");
    Ok(())
}

#[test]
fn all_small_structures_are_judged_as_a_slow_reading_says() {
    // Every pair of pointers of up to 3 rows and indices of up to 3 entries, with numbers up to 3.
    let lists = |len: usize| {
        (0..4usize.pow(len as u32))
            .map(move |code| (0..len).map(|k| code / 4usize.pow(k as u32) % 4).collect::<Vec<_>>())
    };
    let (mut good, mut bad) = (0, 0);
    for indptr in (0..=4).flat_map(lists) {
        for indices in (0..=3).flat_map(lists) {
            let sound = |indptr: &[usize]| {
                let rows = indptr.windows(2).all(|p| {
                    p[0] <= p[1] && indices.get(p[0]..p[1]).is_some_and(|row| row.windows(2).all(|j| j[0] < j[1]))
                });
                let nodes = indptr.len() - 1;
                indptr[0] == 0 && indptr[nodes] == indices.len() && rows && indices.iter().all(|j| *j < nodes)
            };
            let valid = !indptr.is_empty() && sound(&indptr);
            match Graph::new(&indptr, &indices) {
                Ok(graph) => {
                    good += 1;
                    assert!(valid, "accepted {indptr:?} {indices:?}");
                    let edges: Vec<(usize, usize)> = graph.edges().collect();
                    let again = Graph::from_edges(graph.nodes(), &edges).unwrap();
                    assert_eq!((again.indptr(), again.indices()), (graph.indptr(), graph.indices()));
                }
                Err(error) => {
                    bad += 1;
                    assert!(!valid && error.kind() == ErrorKind::Csr, "refused {indptr:?} {indices:?}: {error}");
                }
            }
        }
    }
    assert!(good > 20 && bad > 1000, "{good} good, {bad} bad");
}

/// A graph of 13 nodes with about a third of all edges, an isolated node and self loops.
fn graph() -> Graph {
    let edges: Vec<(usize, usize)> = (0..13 * 13)
        .map(|e| (e / 13, e % 13))
        .filter(|(i, j)| *i != 5 && *j != 5 && (i * 7 + j * 5) % 3 == 0)
        .collect();
    Graph::from_edges(13, &edges).unwrap()
}

/// Value, gradient of the state and gradient of the weights of a sparse coupling, in f64 and on the device.
fn both(x: &[f32], w: &[f32], shape: [usize; 3], w_shape: &[usize], graph: &Graph) -> Result<[Vec<Vec<f64>>; 2]> {
    let run = |mut tape: Tape| {
        let x = tape.upload(x, &shape, DType::F32)?;
        let w = tape.upload(w, w_shape, DType::F32)?;
        let (x, w) = (tape.leaf(x), tape.leaf(w));
        let y = tape.couple_sparse(x, w, graph)?;
        let energy = tape.dot(y, y)?;
        let grads = tape.backward(energy)?;
        Ok(vec![tape.read(y)?, grads.read(&mut tape, x)?, grads.read(&mut tape, w)?])
    };
    Ok([run(Tape::reference())?, run(Tape::new(&device()))?])
}

fn close(got: &[f64], want: &[f64], allowed: f64) {
    assert_eq!(got.len(), want.len());
    let size = want.iter().fold(1.0f64, |m, v| m.max(v.abs()));
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        assert!((got - want).abs() <= allowed * size, "element {i}: {got} and {want}");
    }
}

#[test]
fn sparse_is_dense_with_zeros() -> Result<()> {
    let (graph, batch, n) = (graph(), 3, 4);
    let nnz = graph.edge_count();
    let (x, w) = (numbers(1, batch * 13 * n), numbers(2, nnz * n * n));
    let width = 13 * n;
    let mut j = vec![0.0; width * width];
    for (e, (to, from)) in graph.edges().enumerate() {
        for a in 0..n {
            for c in 0..n {
                j[(to * n + a) * width + from * n + c] = w[(e * n + a) * n + c];
            }
        }
    }
    let [reference, found] = both(&x, &w, [batch, 13, n], &[nnz, n, n], &graph)?;
    for mut tape in [Tape::reference(), Tape::new(&device())] {
        let x = tape.upload(&x, &[batch, width], DType::F32)?;
        let j = tape.upload(&j, &[width, width], DType::F32)?;
        let (x, j) = (tape.leaf(x), tape.leaf(j));
        let y = tape.couple_dense(x, j, None, false)?;
        let energy = tape.dot(y, y)?;
        let grads = tape.backward(energy)?;
        let (x_bar, j_bar) = (grads.read(&mut tape, x)?, grads.read(&mut tape, j)?);
        // The dense gradient, where edges are.
        let mut w_bar = vec![];
        for (to, from) in graph.edges() {
            w_bar.extend((0..n * n).map(|k| j_bar[(to * n + k / n) * width + from * n + k % n]));
        }
        for sparse in [&reference, &found] {
            for (got, want) in sparse.iter().zip([tape.read(y)?, x_bar.clone(), w_bar.clone()]) {
                close(got, &want, 2e-6);
            }
        }
    }
    Ok(())
}

#[test]
fn a_number_per_edge_is_a_multiple_of_the_identity() -> Result<()> {
    let (graph, batch, n) = (graph(), 2, 3);
    let nnz = graph.edge_count();
    let (x, w) = (numbers(3, batch * 13 * n), numbers(4, nnz));
    let blocks: Vec<f32> =
        w.iter().flat_map(|w| (0..n * n).map(move |k| if k / n == k % n { *w } else { 0.0 })).collect();
    let scalar = both(&x, &w, [batch, 13, n], &[nnz], &graph)?;
    let block = both(&x, &blocks, [batch, 13, n], &[nnz, n, n], &graph)?;
    for (s, b) in scalar.iter().zip(&block) {
        close(&s[0], &b[0], 1e-6);
        close(&s[1], &b[1], 1e-6);
        // The trace of the block's gradient.
        let traces: Vec<f64> = b[2].chunks(n * n).map(|block| (0..n).map(|a| block[a * n + a]).sum()).collect();
        close(&s[2], &traces, 2e-6);
    }
    Ok(())
}

#[test]
fn renaming_the_nodes_renames_the_result() -> Result<()> {
    let (graph, n) = (graph(), 2);
    let nnz = graph.edge_count();
    let (x, w) = (numbers(5, 13 * n), numbers(6, nnz * n * n));
    let name = |i: usize| (i * 5 + 3) % 13;
    let mut edges: Vec<((usize, usize), usize)> =
        graph.edges().enumerate().map(|(e, (i, j))| ((name(i), name(j)), e)).collect();
    edges.sort_unstable();
    let renamed = Graph::from_edges(13, &edges.iter().map(|(edge, _)| *edge).collect::<Vec<_>>())?;
    let w_renamed: Vec<f32> = edges.iter().flat_map(|(_, e)| w[e * n * n..][..n * n].to_vec()).collect();
    let mut x_renamed = vec![0.0; x.len()];
    for i in 0..13 {
        x_renamed[name(i) * n..][..n].copy_from_slice(&x[i * n..][..n]);
    }
    let plain = both(&x, &w, [1, 13, n], &[nnz, n, n], &graph)?;
    let other = both(&x_renamed, &w_renamed, [1, 13, n], &[nnz, n, n], &renamed)?;
    for (a, b) in plain.iter().zip(&other) {
        for k in 0..2 {
            let moved: Vec<f64> = (0..13).flat_map(|i| b[k][name(i) * n..][..n].to_vec()).collect();
            close(&moved, &a[k], 2e-6);
        }
    }
    Ok(())
}

#[test]
fn a_sample_does_not_depend_on_its_batch() -> Result<()> {
    let context = device();
    let (graph, batch, n) = (graph(), 70, 2);
    let w = upload(&context, &numbers(7, graph.edge_count()), &[graph.edge_count()])?;
    let j = upload(&context, &numbers(8, 26 * 26), &[26, 26])?;
    let data = numbers(9, batch * 26);
    let mut commands = context.commands();
    let x = upload(&context, &data, &[batch, 13, n])?;
    let all = commands.couple_sparse(&x, &w, &graph)?;
    let dense = commands.couple_dense(&x.reshape(&[batch, 26])?, &j, None, true)?;
    let (all, dense) = (commands.read(&all)?, commands.read(&dense)?);
    for b in [0, 1, 69] {
        let one = upload(&context, &data[b * 26..][..26], &[1, 13, n])?;
        let alone = commands.couple_sparse(&one, &w, &graph)?;
        assert_eq!(commands.read(&alone)?, all[b * 26..][..26]);
        let alone = commands.couple_dense(&one.reshape(&[1, 26])?, &j, None, true)?;
        assert_eq!(commands.read(&alone)?, dense[b * 26..][..26]);
    }
    Ok(())
}

#[test]
fn the_symmetric_part_gives_a_symmetric_gradient_and_no_other_energy() -> Result<()> {
    let (batch, n) = (3, 6);
    let (x, j) = (numbers(10, batch * n), numbers(11, n * n));
    let mut energies = Vec::new();
    for symmetric in [false, true] {
        for mut tape in [Tape::reference(), Tape::new(&device())] {
            let x = tape.upload(&x, &[batch, n], DType::F32)?;
            let j = tape.upload(&j, &[n, n], DType::F32)?;
            let (x, j) = (tape.leaf(x), tape.leaf(j));
            let y = tape.couple_dense(x, j, None, symmetric)?;
            // x . J x sees the symmetric part alone.
            let energy = tape.dot(x, y)?;
            let grads = tape.backward(energy)?;
            let j_bar = grads.read(&mut tape, j)?;
            if symmetric {
                for at in 0..n * n {
                    assert_eq!(j_bar[at], j_bar[at % n * n + at / n], "element {at}");
                }
            }
            energies.push(tape.read(energy)?[0]);
        }
    }
    close(&energies, &[energies[0]; 4], 2e-6);
    Ok(())
}

#[test]
fn a_graph_serves_several_contexts_and_uploads_once() -> Result<()> {
    let graph = graph();
    let run = |context: &Context| -> Result<Vec<f32>> {
        let x = upload(context, &numbers(12, 26), &[1, 13, 2])?;
        let w = upload(context, &numbers(13, graph.edge_count()), &[graph.edge_count()])?;
        let mut commands = context.commands();
        let y = commands.couple_sparse(&x, &w, &graph)?;
        commands.read(&y)
    };
    let (one, other) = (device(), sibling(&device()));
    let first = run(&one)?;
    assert_eq!(run(&other)?, first);
    let before = other.counters().allocations;
    assert_eq!(run(&other)?, first);
    assert_eq!(other.counters().allocations, before, "the second call allocates");
    Ok(())
}

#[test]
fn shapes_that_do_not_fit_are_refused() -> Result<()> {
    let context = noop(wgpu::Limits::default(), wgpu::Features::empty());
    let zeros = |shape: &[usize]| upload(&context, &vec![0.0; shape.iter().product()], shape);
    let graph = Graph::new(&INDPTR, &INDICES)?;
    let mut commands = context.commands();
    for (x, w, message) in [
        (vec![2, 4], vec![6], "couple_sparse: x is [2, 4], expected [B, 4, n]"),
        (vec![2, 5, 2], vec![6], "couple_sparse: x is [2, 5, 2], expected [B, 4, n] for a graph of 4 nodes"),
        (vec![2, 4, 2], vec![5], "couple_sparse: weights is [5], expected [6] or [6, 2, 2] for 6 edges"),
        (vec![2, 4, 2], vec![6, 2, 3], "couple_sparse: weights is [6, 2, 3], expected [6] or [6, 2, 2] for 6 edges"),
    ] {
        let error = error_of(commands.couple_sparse(&zeros(&x)?, &zeros(&w)?, &graph), message);
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::Shape, message.to_string()));
    }
    for (x, j, message) in [
        (vec![2, 4, 1], vec![4, 4], "couple_dense: x is [2, 4, 1], expected [B, N]"),
        (vec![2, 4], vec![4, 5], "couple_dense: j is [4, 5], expected [4, 4] for x of [2, 4]"),
    ] {
        let error = error_of(commands.couple_dense(&zeros(&x)?, &zeros(&j)?, None, false), message);
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::Shape, message.to_string()));
    }
    let bias = zeros(&[3])?;
    let error = error_of(commands.couple_dense(&zeros(&[2, 4])?, &zeros(&[4, 4])?, Some(&bias), false), "bias");
    assert_eq!(error.to_string(), "couple_dense: bias is [3], expected [4]");
    Ok(())
}
