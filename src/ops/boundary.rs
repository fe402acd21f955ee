//! What lies past the edge of a lattice.

/// How a lattice ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Boundary {
    /// The last place of an axis is a neighbour of the first: a torus.
    Periodic,
    /// Places beyond the last do not exist.
    Open,
}
