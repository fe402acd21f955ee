//! Networks as text: edge lists and Matrix Market.

use std::collections::HashMap;

use super::super::graph::{Edge, Network};
use super::Direction;

/// Lines with something on them, with their numbers from 1; what follows a sign of comment is no part of a line.
fn lines<'a>(text: &'a str, comments: &'a [char]) -> impl Iterator<Item = (usize, &'a str)> {
    let cut = move |line: &'a str| line.split(comments).next().unwrap_or_default().trim();
    text.lines().enumerate().map(move |(n, line)| (n + 1, cut(line))).filter(|(_, line)| !line.is_empty())
}

/// Columns between commas, or else between whitespace. A name between commas may hold spaces.
fn columns(line: &str) -> Vec<&str> {
    match line.contains(',') {
        true => line.split(',').map(str::trim).collect(),
        false => line.split_whitespace().collect(),
    }
}

/// A finite number in a column.
fn number(line: usize, column: usize, word: &str) -> Result<f32, String> {
    match word.parse::<f32>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(format!("line {line}, column {column} is `{word}`, expected a finite number")),
    }
}

/// Rows of numbers.
pub fn numbers(text: &str) -> Result<Vec<Vec<f32>>, String> {
    let row = |(n, line): (usize, &str)| {
        columns(line).iter().enumerate().map(|(c, word)| number(n, c + 1, word)).collect::<Result<Vec<_>, _>>()
    };
    lines(text, &['#', '%']).map(row).collect()
}

/// Lines `a b` or `a b weight`. The nodes are 0 to the largest number where all are whole numbers, else names in the order
/// of their first appearance. A first line that says source and target, or weight in its third column, names the columns;
/// columns after the third are not read.
pub fn edge_list(text: &str, direction: Direction) -> Result<Network, String> {
    let mut rows = vec![];
    let mut weighted = None;
    for (n, line) in lines(text, &['#', '%']) {
        let words = columns(line);
        if words.len() < 2 || words[..2].contains(&"") {
            return Err(format!(
                "line {n} has {} columns, expected sender, receiver and perhaps a weight",
                words.len()
            ));
        }
        let says = |column: usize, title: &str| words.get(column).is_some_and(|word| word.eq_ignore_ascii_case(title));
        if rows.is_empty() && (says(0, "source") && says(1, "target") || says(2, "weight")) {
            continue;
        }
        if *weighted.get_or_insert(words.len() > 2) != (words.len() > 2) {
            let wanted = if words.len() > 2 { "2 as the lines before" } else { "a weight as the lines before" };
            return Err(format!("line {n} has {} columns, expected {wanted}", words.len()));
        }
        let weight = words.get(2).map_or(Ok(1.0), |word| number(n, 3, word))?;
        rows.push((n, words[0], words[1], weight));
    }
    let whole = |word: &str| word.bytes().all(|b| b.is_ascii_digit());
    let mut names = None;
    let mut ends = Vec::with_capacity(rows.len());
    let mut nodes = 0;
    if rows.iter().all(|(_, a, b, _)| whole(a) && whole(b)) {
        for (n, a, b, weight) in &rows {
            let node = |column: usize, word: &str| {
                let node = word.parse::<u32>().ok().filter(|node| *node < u32::MAX);
                node.map(|node| node as usize)
                    .ok_or_else(|| format!("line {n}, column {column} is node {word}, expected fewer than 2^32 nodes"))
            };
            let (a, b) = (node(1, a)?, node(2, b)?);
            nodes = nodes.max(a.max(b) + 1);
            ends.push((*n, a, b, *weight));
        }
    } else {
        let mut known: HashMap<&str, usize> = HashMap::new();
        let mut all = vec![];
        for (n, a, b, weight) in &rows {
            let [a, b] = [a, b].map(|word| {
                *known.entry(word).or_insert_with(|| {
                    all.push(word.to_string());
                    all.len() - 1
                })
            });
            ends.push((*n, a, b, *weight));
        }
        nodes = all.len();
        names = Some(all);
    }
    let mut edges = Vec::with_capacity(ends.len());
    for (line, a, b, weight) in ends {
        edges.push((line, Edge { receiver: b, sender: a, weight }));
        if direction == Direction::Undirected && a != b {
            edges.push((line, Edge { receiver: a, sender: b, weight }));
        }
    }
    let mut network = build(nodes, edges)?;
    network.names = names;
    Ok(network)
}

/// The network of edges with their lines; an edge that comes twice is told with both.
fn build(nodes: usize, mut edges: Vec<(usize, Edge)>) -> Result<Network, String> {
    edges.sort_by_key(|(_, edge)| (edge.receiver, edge.sender));
    for pair in edges.windows(2) {
        let (a, b) = (&pair[0], &pair[1]);
        if (a.1.receiver, a.1.sender) == (b.1.receiver, b.1.sender) {
            let Edge { receiver, sender, .. } = a.1;
            let [first, second] = [a.0.min(b.0), a.0.max(b.0)];
            return Err(format!(
                "line {second} has the edge from node {sender} to node {receiver} once more after line {first}; add the weights"
            ));
        }
    }
    let edges: Vec<Edge> = edges.into_iter().map(|(_, edge)| edge).collect();
    Network::from_edges(nodes, &edges)
}

/// The fields and symmetries of Matrix Market that a coupling can have.
fn header(line: &str) -> Result<(bool, Option<f32>), String> {
    let words: Vec<String> = line.split_whitespace().map(str::to_ascii_lowercase).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ["%%matrixmarket", "matrix", "coordinate", field, symmetry] = words[..] else {
        return Err("line 1 is no header `%%MatrixMarket matrix coordinate FIELD SYMMETRY`".into());
    };
    let valued = match field {
        "real" | "integer" | "double" => true,
        "pattern" => false,
        other => return Err(format!("line 1 has the field `{other}`, expected real, integer or pattern")),
    };
    let mirror = match symmetry {
        "general" => None,
        "symmetric" => Some(1.0),
        "skew-symmetric" => Some(-1.0),
        other => {
            return Err(format!("line 1 has the symmetry `{other}`, expected general, symmetric or skew-symmetric"));
        }
    };
    Ok((valued, mirror))
}

/// A square matrix in coordinates. `sprs` reads these files as well, but names no line and does not come back from a file
/// that ends in its header; a test holds the two against each other.
pub fn matrix_market(text: &str) -> Result<Network, String> {
    let (valued, mirror) = header(text.lines().next().unwrap_or_default())?;
    let mut lines = lines(text, &['%']);
    let Some((n, size)) = lines.next() else { return Err("ends before the line of the size".into()) };
    let size: Option<Vec<usize>> = size.split_whitespace().map(|word| word.parse().ok()).collect();
    let Some(&[rows, columns, count]) = size.as_deref() else {
        return Err(format!("line {n} is no size, expected the numbers of rows, columns and entries"));
    };
    if rows != columns {
        return Err(format!("line {n} says {rows} rows and {columns} columns, expected a square matrix"));
    }
    let mut edges = vec![];
    let mut found = 0;
    for (n, line) in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        let wanted = if valued { 3 } else { 2 };
        if words.len() != wanted {
            return Err(format!("line {n} has {} columns, expected {wanted}", words.len()));
        }
        let node = |c: usize| match words[c].parse::<usize>() {
            Ok(node) if (1..=rows).contains(&node) => Ok(node - 1),
            _ => Err(format!("line {n}, column {} is {}, expected 1 to {rows}", c + 1, words[c])),
        };
        let (receiver, sender) = (node(0)?, node(1)?);
        let weight = words.get(2).map_or(Ok(1.0), |word| number(n, 3, word))?;
        if mirror == Some(-1.0) && receiver == sender {
            return Err(format!("line {n} is on the diagonal, expected none in a skew-symmetric matrix"));
        }
        edges.push((n, Edge { receiver, sender, weight }));
        if let Some(sign) = mirror.filter(|_| receiver != sender) {
            edges.push((n, Edge { receiver: sender, sender: receiver, weight: sign * weight }));
        }
        found += 1;
    }
    match found == count {
        true => build(rows, edges),
        false => Err(format!("has {found} entries, expected {count} as line {n} says")),
    }
}
