//! The parts of `examples/network` around its simulation: files, generators, pictures, arguments.

#![allow(dead_code)] // The example uses what these tests do not.

#[path = "../examples/network/arguments.rs"]
mod arguments;
#[path = "../examples/common/cache.rs"]
mod cache;
#[path = "../examples/sudoku/canvas.rs"]
mod canvas;
#[path = "../examples/network/files/mod.rs"]
mod files;
#[path = "../examples/network/graph.rs"]
mod graph;
#[path = "../examples/network/load.rs"]
mod load;
#[path = "../examples/network/machine.rs"]
mod machine;
#[path = "../examples/network/make.rs"]
mod make;
#[path = "../examples/network/plots.rs"]
mod plots;
#[path = "../examples/network/sets.rs"]
mod sets;
#[path = "../examples/network/values.rs"]
mod values;

use std::path::PathBuf;

use files::{Direction, Results};
use graph::Network;
use make::Kind;

/// A file of this process in the folder for such.
fn file(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("kuramoto-network-{}-{name}", std::process::id()))
}

fn read(name: &str, bytes: &[u8], direction: Direction) -> Result<Network, String> {
    let path = file(name);
    std::fs::write(&path, bytes).unwrap();
    let network = files::read(&path, direction);
    std::fs::remove_file(&path).unwrap();
    // The file is always named; what follows is the matter.
    network.map_err(|why| why.strip_prefix(&format!("{}: ", path.display())).unwrap().to_string())
}

fn edges(network: &Network) -> Vec<(usize, usize, f32)> {
    network.graph.edges().zip(&network.weights).map(|((i, j), w)| (i, j, *w)).collect()
}

#[test]
fn edge_lists_are_read() {
    let directed = |text: &str| read("a.csv", text.as_bytes(), Direction::Directed).unwrap();
    // `a b`: b listens to a.
    let plain = directed("# a comment\n0 3\n2\t1 # another\n\n");
    assert_eq!((plain.graph.nodes(), edges(&plain)), (4, vec![(1, 2, 1.0), (3, 0, 1.0)]));
    let named = directed("Source,Target,Weight,Type\nAVA L , AVB,2.5,chemical\nAVB,AVA L,-1,electrical\n");
    assert_eq!(
        (named.names.clone().unwrap(), edges(&named)),
        (vec!["AVA L".into(), "AVB".into()], vec![(0, 1, -1.0), (1, 0, 2.5)])
    );
    assert_eq!((named.name(1), plain.name(1)), ("AVB".into(), "1".into()));
    let both = read("b.txt", b"0 1 0.5\n1 1 2\n", Direction::Undirected).unwrap();
    assert_eq!(edges(&both), [(0, 1, 0.5), (1, 0, 0.5), (1, 1, 2.0)]);
}

#[test]
fn damage_of_edge_lists_is_named() {
    for (text, wanted) in [
        ("0 1\n2\n", "line 2 has 1 columns, expected sender, receiver and perhaps a weight"),
        ("0,1\n,2\n", "line 2 has 2 columns, expected sender, receiver and perhaps a weight"),
        ("0 1\n1 2 3\n", "line 2 has 3 columns, expected 2 as the lines before"),
        ("0 1 2\n1 2\n", "line 2 has 2 columns, expected a weight as the lines before"),
        ("0 1 x\n", "line 1, column 3 is `x`, expected a finite number"),
        ("0 1 2\n1 2 inf\n", "line 2, column 3 is `inf`, expected a finite number"),
        ("0 4294967295\n", "line 1, column 2 is node 4294967295, expected fewer than 2^32 nodes"),
        ("0 1\n# x\n0 1\n", "line 3 has the edge from node 0 to node 1 once more after line 1; add the weights"),
    ] {
        assert_eq!(read("c.edges", text.as_bytes(), Direction::Directed).unwrap_err(), wanted);
    }
    let twice = read("d.edges", b"0 1\n1 0\n", Direction::Undirected).unwrap_err();
    assert!(twice.starts_with("line 2 has the edge from node"), "{twice}");
    assert!(
        read("e.gml", b"", Direction::Directed).unwrap_err().starts_with("this ending is not known; read are edges")
    );
    let why = files::read(&file("none.txt"), Direction::Directed).unwrap_err();
    assert!(why.contains("none.txt: cannot be read"), "{why}");
}

#[test]
fn matrix_market_is_what_sprs_reads() {
    let general = "%%MatrixMarket matrix coordinate real general\n% a comment\n3 3 3\n1 3 0.5\n3 1 -2\n\n2 2 1e-3\n";
    let mirrored = "%%MatrixMarket matrix coordinate real symmetric\n3 3 2\n3 1 0.5\n2 2 4\n";
    let turned = "%%MatrixMarket matrix coordinate real skew-symmetric\n3 3 1\n3 1 0.5\n";
    for text in [general, mirrored, turned] {
        let network = read("a.mtx", text.as_bytes(), Direction::Directed).unwrap();
        let other: sprs::TriMat<f64> = sprs::io::read_matrix_market_from_bufread(&mut text.as_bytes()).unwrap();
        let other: sprs::CsMat<f64> = other.to_csr();
        let wanted: Vec<_> = other.iter().map(|(w, (i, j))| (i, j, *w as f32)).collect();
        assert_eq!((network.graph.nodes(), edges(&network)), (other.rows(), wanted));
    }
    let pattern = "%%MatrixMarket matrix coordinate pattern general\n2 2 1\n2 1\n";
    assert_eq!(edges(&read("b.mtx", pattern.as_bytes(), Direction::Directed).unwrap()), [(1, 0, 1.0)]);
    let head = "%%MatrixMarket matrix coordinate real general\n";
    for (text, wanted) in [
        ("1 2\n".to_string(), "line 1 is no header `%%MatrixMarket matrix coordinate FIELD SYMMETRY`"),
        (head.replace("real", "complex"), "line 1 has the field `complex`, expected real, integer or pattern"),
        (
            head.replace("general", "hermitian"),
            "line 1 has the symmetry `hermitian`, expected general, symmetric or skew-symmetric",
        ),
        (head.to_string(), "ends before the line of the size"),
        (format!("{head}2 x 1\n"), "line 2 is no size, expected the numbers of rows, columns and entries"),
        (format!("{head}2 3 1\n"), "line 2 says 2 rows and 3 columns, expected a square matrix"),
        (format!("{head}2 2 1\n0 1 1\n"), "line 3, column 1 is 0, expected 1 to 2"),
        (format!("{head}2 2 1\n1 3 1\n"), "line 3, column 2 is 3, expected 1 to 2"),
        (format!("{head}2 2 1\n1 2\n"), "line 3 has 2 columns, expected 3"),
        (format!("{head}2 2 1\n1 2 nan\n"), "line 3, column 3 is `nan`, expected a finite number"),
        (format!("{head}2 2 2\n1 2 1\n"), "has 1 entries, expected 2 as line 2 says"),
        (
            format!("{head}2 2 2\n1 2 1\n1 2 1\n"),
            "line 4 has the edge from node 1 to node 0 once more after line 3; add the weights",
        ),
    ] {
        assert_eq!(read("c.mtx", text.as_bytes(), Direction::Directed).unwrap_err(), wanted);
    }
}

#[test]
fn archives_come_back() {
    let mut network = read("a.txt", b"0 1 0.5\n2 0 -1\n1 2 3\n", Direction::Directed).unwrap();
    network.lengths = Some(vec![1.0, 2.5, 0.0]);
    network.power = Some(vec![1.0, -1.0, 0.0]);
    network.generators = Some(vec![true, false, true]);
    network.names = Some(vec!["ä".into(), "b c".into(), "d".into()]);
    let path = file("b.npz");
    files::write(&path, &network).unwrap();
    let again = files::read(&path, Direction::Directed).unwrap();
    assert_eq!(edges(&again), edges(&network));
    assert_eq!((&again.lengths, &again.power), (&network.lengths, &network.power));
    assert_eq!((&again.generators, &again.names), (&network.generators, &network.names));
    // Another count than that of the nodes, and an end that is missing.
    network.power = Some(vec![1.0]);
    files::write(&path, &network).unwrap();
    let why = files::read(&path, Direction::Directed).unwrap_err();
    assert!(why.ends_with("array power has 1 entries, expected 3"), "{why}");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let why = read("c.npz", &bytes[..bytes.len() - 30], Direction::Directed).unwrap_err();
    assert!(why.starts_with("is no .npz file"), "{why}");
}

#[test]
fn connectomes_have_lengths() {
    let folder = file("connectome");
    std::fs::create_dir_all(&folder).unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    let why = || files::read(&folder, Direction::Directed).unwrap_err();
    write("weights.txt", "0 2 0\n1 0 0\n0 0.5 0\n");
    assert!(why().ends_with("has no tract_lengths.txt"));
    write("tract_lengths.txt", "0 20 1\n10 0 1\n1 5.5 0\n");
    let network = files::read(&folder, Direction::Directed).unwrap();
    // Row 0, column 1: region 0 listens to region 1.
    assert_eq!(edges(&network), [(0, 1, 2.0), (1, 0, 1.0), (2, 1, 0.5)]);
    assert_eq!((network.lengths, network.names), (Some(vec![20.0, 10.0, 5.5]), None));
    write("centres.txt", "lA 1 2 3\nlB 1 2 3\nrA 1 2 3\n");
    assert_eq!(files::read(&folder, Direction::Directed).unwrap().name(2), "rA");
    for (lengths, wanted) in [
        ("0 20 1\n10 0 1\n", "tract_lengths.txt: row 1 has 3 columns, expected 2 as there are rows"),
        ("0 1\n1 0\n", "tract_lengths.txt has 2 rows, expected 3 as weights.txt"),
        ("0 -1 1\n10 0 1\n1 5.5 0\n", "tract_lengths.txt: row 1, column 2 is -1, expected no negative length"),
        ("0 x 1\n10 0 1\n1 5.5 0\n", "tract_lengths.txt: line 1, column 2 is `x`, expected a finite number"),
    ] {
        write("tract_lengths.txt", lengths);
        assert!(why().ends_with(wanted), "{}", why());
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn results_are_arrays_and_columns() {
    let path = file("results.npz");
    let results = Results { times: &[0.0, 0.5], order: &[1.0, 0.25], phases: Some(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]) };
    files::write_results(&path, &results).unwrap();
    let mut npz = ndarray_npy::NpzReader::new(std::fs::File::open(&path).unwrap()).unwrap();
    let phases: ndarray::Array2<f32> = npz.by_name("phases").unwrap();
    let order: ndarray::Array1<f64> = npz.by_name("order_parameter").unwrap();
    assert_eq!((phases.shape(), phases[[1, 0]], order[1]), (&[2, 3][..], 3.0, 0.25));
    let why = files::write_results(&path, &Results { order: &[1.0], ..results }).unwrap_err();
    assert_eq!(why, "there are 1 order parameters for 2 times");
    let why = files::write_results(&path, &Results { phases: Some(&[0.0; 5]), ..results }).unwrap_err();
    assert_eq!(why, "5 phases are no rows for 2 times");
    files::write_grid(&path, &[("coupling", &[1.0, 2.0][..]), ("lag", &[0.0])], &[0.5, 0.75]).unwrap();
    let mut npz = ndarray_npy::NpzReader::new(std::fs::File::open(&path).unwrap()).unwrap();
    let grid: ndarray::ArrayD<f64> = npz.by_name("order_parameter").unwrap();
    assert_eq!((grid.shape(), grid[[1, 0]]), (&[2, 1][..], 0.75));
    assert!(files::write_grid(&path, &[("coupling", &[1.0])], &[0.5, 0.75]).is_err());
    files::write_series(&path, &[("time", &[0.0, 0.5]), ("r", &[1.0, 0.25])]).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "time,r\n0,1\n0.5,0.25\n");
    std::fs::write(&path, "1 2\n# the rest\n3\n").unwrap();
    assert_eq!(files::values(&path, 3).unwrap(), [1.0, 2.0, 3.0]);
    assert!(files::values(&path, 4).unwrap_err().ends_with("has 3 numbers for 4 nodes"));
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn generated_networks_are_what_they_are_called() {
    let make = |kind: Kind| make::make(&kind, 7).unwrap();
    let degrees = |network: &Network| network.graph.indptr().windows(2).map(|p| p[1] - p[0]).collect::<Vec<_>>();
    let ring = make(Kind::Ring { nodes: 7, neighbours: 4 });
    assert_eq!(&ring.graph.indices()[..4], [1, 2, 5, 6]);
    assert_eq!(degrees(&ring), [4; 7]);
    let lattice = |periodic| make(Kind::Lattice { rows: 3, columns: 2, periodic });
    assert_eq!((degrees(&lattice(false)), degrees(&lattice(true))), (vec![2, 2, 3, 3, 2, 2], vec![3; 6]));
    assert_eq!(degrees(&make(Kind::Complete { nodes: 5 })), [4; 5]);
    // The numbers of edges of random graphs are near their means, and each edge has its counterpart.
    let p = 0.02;
    let drawn = [
        (Kind::ErdosRenyi { nodes: 500, probability: p }, p * 500.0 * 499.0),
        (Kind::WattsStrogatz { nodes: 500, neighbours: 6, rewire: 0.3 }, 3000.0),
        (Kind::BarabasiAlbert { nodes: 500, attach: 3 }, 2.0 * (2.0 + 3.0 * 497.0)),
        (Kind::Blocks { nodes: 500, blocks: 5, inside: 0.1, between: 0.0 }, 0.1 * 5.0 * 100.0 * 99.0),
    ];
    for (kind, mean) in drawn {
        let network = make(kind.clone());
        let edges: std::collections::HashSet<_> = network.graph.edges().collect();
        assert!(edges.iter().all(|(i, j)| i != j && edges.contains(&(*j, *i))), "{kind:?}");
        // Five standard deviations of twice a binomial number of pairs.
        assert!((edges.len() as f64 - mean).abs() <= 5.0 * (2.0 * mean).sqrt(), "{kind:?}: {} edges", edges.len());
        assert_eq!(network.graph.indices(), make(kind.clone()).graph.indices());
        let fixed = matches!(kind, Kind::WattsStrogatz { .. } | Kind::BarabasiAlbert { .. });
        assert!(!fixed || edges.len() as f64 == mean, "{kind:?}: {} edges", edges.len());
        assert_ne!(network.graph.indices(), make::make(&kind, 8).unwrap().graph.indices());
    }
    let blocks = make(Kind::Blocks { nodes: 100, blocks: 3, inside: 1.0, between: 0.0 });
    let of = make::communities(100, 3);
    assert!(blocks.graph.edges().all(|(i, j)| of[i] == of[j]));
    assert_eq!((blocks.components(), of.len()), (of.clone(), 100));
    // A rewired ring keeps the near end of most edges.
    let near = |rewire| make(Kind::WattsStrogatz { nodes: 1000, neighbours: 4, rewire });
    let far =
        |network: &Network| network.graph.edges().filter(|(i, j)| ![1, 2, 998, 999].contains(&i.abs_diff(*j))).count();
    assert_eq!(far(&near(0.0)), 0);
    assert!((700..900).contains(&far(&near(0.2))), "{}", far(&near(0.2)));
}

#[test]
fn a_million_nodes_take_seconds() {
    let started = std::time::Instant::now();
    let network = make::make(&Kind::WattsStrogatz { nodes: 1_000_000, neighbours: 10, rewire: 0.1 }, 1).unwrap();
    assert_eq!(network.graph.edge_count(), 10_000_000);
    println!("10^6 nodes, 10^7 edges: {:.1} s", started.elapsed().as_secs_f64());
}

#[test]
fn numbers_that_no_network_has_are_refused() {
    for (kind, wanted) in [
        (
            Kind::Ring { nodes: 4, neighbours: 3 },
            "--neighbours is 3, expected an even number below 4, the number of nodes",
        ),
        (
            Kind::Ring { nodes: 4, neighbours: 4 },
            "--neighbours is 4, expected an even number below 4, the number of nodes",
        ),
        (Kind::Ring { nodes: 0, neighbours: 0 }, "--nodes is 0, expected at least 1 for this ring"),
        (Kind::ErdosRenyi { nodes: 4, probability: 1.5 }, "--probability is 1.5, expected 0 to 1"),
        (Kind::WattsStrogatz { nodes: 4, neighbours: 2, rewire: f64::NAN }, "--rewire is NaN, expected 0 to 1"),
        (Kind::BarabasiAlbert { nodes: 4, attach: 4 }, "--attach is 4, expected 1 to 3, fewer than the nodes"),
        (
            Kind::Blocks { nodes: 4, blocks: 5, inside: 1.0, between: 0.0 },
            "--blocks is 5, expected 1 to 4, the number of nodes",
        ),
        (
            Kind::Complete { nodes: 30_001 },
            "--nodes is 30001, expected at most 30000: a complete graph looks at every pair",
        ),
        (Kind::Lattice { rows: 0, columns: 5, periodic: true }, "a lattice of 0 x 5 nodes has none, or more than 2^32"),
    ] {
        assert_eq!(make::make(&kind, 1).unwrap_err(), wanted);
    }
}
