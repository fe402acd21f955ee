//! A network as files and generators give it: who listens to whom, how strongly, and what is known of the nodes.

use kuramoto::Graph;

/// An edge: the receiver listens to the sender.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Edge {
    pub receiver: usize,
    pub sender: usize,
    pub weight: f32,
}

/// A network of `N` nodes and `E` edges. Edges are numbered by receiver, then by sender.
#[derive(Clone, Debug)]
pub struct Network {
    pub graph: Graph,
    /// `[E]`: coupling weights.
    pub weights: Vec<f32>,
    /// `[E]`: lengths of the connections in mm.
    pub lengths: Option<Vec<f32>>,
    /// `[N]`: what the nodes are called.
    pub names: Option<Vec<String>>,
    /// `[N]`: power fed into a grid at each bus, in units of the grid's base power.
    pub power: Option<Vec<f32>>,
    /// `[N]`: whether a generator turns at the bus.
    pub generators: Option<Vec<bool>>,
}

impl Network {
    /// A network of a checked structure, with nothing known of its nodes.
    pub fn new(graph: Graph, weights: Vec<f32>) -> Network {
        Network { graph, weights, lengths: None, names: None, power: None, generators: None }
    }

    /// A network of edges in any order.
    ///
    /// # Errors
    /// In words, for a node past the last, an edge that comes twice and a weight that is not finite.
    pub fn from_edges(nodes: usize, edges: &[Edge]) -> Result<Network, String> {
        let edges: Vec<(usize, usize, f32)> = edges.iter().map(|e| (e.receiver, e.sender, e.weight)).collect();
        let (graph, weights) = Graph::from_weighted_edges(nodes, &edges).map_err(|why| why.to_string())?;
        Ok(Network::new(graph, weights))
    }

    /// What node `i` is called: its number where it has no name.
    pub fn name(&self, i: usize) -> String {
        self.names.as_ref().and_then(|names| names.get(i).cloned()).unwrap_or_else(|| i.to_string())
    }

    /// `[N]`: the number of a node's connected component, directions ignored, numbered by their first nodes.
    pub fn components(&self) -> Vec<usize> {
        let mut parent: Vec<usize> = (0..self.graph.nodes()).collect();
        fn root(parent: &mut [usize], mut i: usize) -> usize {
            while parent[i] != i {
                parent[i] = parent[parent[i]];
                i = parent[i];
            }
            i
        }
        for (i, j) in self.graph.edges() {
            let (a, b) = (root(&mut parent, i), root(&mut parent, j));
            parent[a.max(b)] = a.min(b);
        }
        let mut number = vec![usize::MAX; parent.len()];
        let mut count = 0;
        (0..parent.len())
            .map(|i| {
                let first = root(&mut parent, i);
                if number[first] == usize::MAX {
                    number[first] = count;
                    count += 1;
                }
                number[first]
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_ignore_directions() {
        let edge = |receiver, sender| Edge { receiver, sender, weight: 1.0 };
        let network = Network::from_edges(6, &[edge(4, 0), edge(3, 5), edge(5, 1)]).unwrap();
        assert_eq!(network.components(), [0, 1, 2, 1, 0, 1]);
        assert_eq!(network.name(3), "3");
    }
}
