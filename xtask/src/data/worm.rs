//! The nervous system of C. elegans: synapses and gap junctions between cells as one weighted directed network.

use std::collections::BTreeMap;

use crate::network::graph::{Edge, Network};

/// Reads `Source,Target,Weight,Type`. The weight of an edge is the number of synapses and gap junctions from one cell to the
/// other together; gap junctions are listed from either side. Cells are in alphabetical order.
pub fn convert(bytes: &[u8]) -> Result<Network, String> {
    let text = std::str::from_utf8(bytes).map_err(|why| format!("the list of edges is no text ({why})"))?;
    let mut lines = text.lines().enumerate();
    if lines.next().is_none_or(|(_, title)| title.trim() != "Source,Target,Weight,Type") {
        return Err("line 1 is not `Source,Target,Weight,Type`".into());
    }
    let mut weights: BTreeMap<(&str, &str), f32> = BTreeMap::new();
    for (n, line) in lines {
        let columns: Vec<&str> = line.split(',').map(str::trim).collect();
        let weight = columns.get(2).and_then(|weight| weight.parse::<f32>().ok()).filter(|weight| weight.is_finite());
        let (&[source, target, _, kind], Some(weight)) = (&columns[..], weight) else {
            return Err(format!("line {} is no edge: `{line}`", n + 1));
        };
        if kind != "chemical" && kind != "electrical" {
            return Err(format!("line {} is of the type `{kind}`", n + 1));
        }
        *weights.entry((source, target)).or_default() += weight;
    }
    let mut names: Vec<&str> = weights.keys().flat_map(|(source, target)| [*source, *target]).collect();
    names.sort_unstable();
    names.dedup();
    let place = |name: &str| names.binary_search(&name).map_err(|_| format!("cell {name} has been lost"));
    let edge = |((source, target), weight): (&(&str, &str), &f32)| {
        Ok(Edge { receiver: place(target)?, sender: place(source)?, weight: *weight })
    };
    let edges: Vec<Edge> = weights.iter().map(edge).collect::<Result<_, String>>()?;
    let mut network = Network::from_edges(names.len(), &edges)?;
    network.names = Some(names.iter().map(|name| name.to_string()).collect());
    Ok(network)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_add_and_the_target_listens() {
        let text =
            "Source,Target,Weight,Type\nB , A  ,2,chemical\nB,A,1,electrical\nA,B,1,electrical\nC,C,3,chemical\n";
        let network = convert(text.as_bytes()).unwrap();
        assert_eq!(network.names, Some(vec!["A".into(), "B".into(), "C".into()]));
        assert_eq!(network.graph.edges().collect::<Vec<_>>(), [(0, 1), (1, 0), (2, 2)]);
        assert_eq!(network.weights, [3.0, 1.0, 3.0]);
    }

    #[test]
    fn damage_is_named() {
        let why = |line: &str| convert(format!("Source,Target,Weight,Type\n{line}\n").as_bytes()).unwrap_err();
        assert_eq!(why("A,B,x,chemical"), "line 2 is no edge: `A,B,x,chemical`");
        assert_eq!(why("A,B,1"), "line 2 is no edge: `A,B,1`");
        assert_eq!(why("A,B,1,magic"), "line 2 is of the type `magic`");
        assert!(convert(b"A,B\n").unwrap_err().contains("line 1"));
    }
}
