//! The cases of the AKOrN networks.

use super::session::Case;

/// All of them.
pub const CASES: &[Case] = &[];
