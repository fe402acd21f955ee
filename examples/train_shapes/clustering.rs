//! Positions with similar features belong together: average-linkage agglomerative clustering of one image's features.

use kodama::{Method, linkage};

/// The cluster of every token, below `count`: features `[tokens, channels]` are scaled to length one, and the two
/// clusters with the least mean distance are merged until `count` are left.
///
/// `None` if a feature is not finite.
pub fn clusters(features: &[f32], tokens: usize, count: usize) -> Option<Vec<usize>> {
    if !features.iter().all(|value| value.is_finite()) {
        return None;
    }
    let channels = features.len() / tokens.max(1);
    let unit: Vec<Vec<f32>> = features.chunks(channels.max(1)).map(normalized).collect();
    let mut distances = Vec::with_capacity(tokens * tokens.saturating_sub(1) / 2);
    for a in 0..tokens {
        for b in a + 1..tokens {
            let squared: f32 = unit[a].iter().zip(&unit[b]).map(|(a, b)| (a - b) * (a - b)).sum();
            distances.push(squared.sqrt());
        }
    }
    let tree = linkage(&mut distances, tokens, Method::Average);
    // Step i of the tree makes cluster `tokens + i` of two earlier ones.
    let merges = tokens.saturating_sub(count.max(1));
    let mut parent: Vec<usize> = (0..tokens + merges).collect();
    for (i, step) in tree.steps().iter().take(merges).enumerate() {
        parent[step.cluster1] = tokens + i;
        parent[step.cluster2] = tokens + i;
    }
    let mut roots = Vec::new();
    let number = |token: usize| {
        let mut at = token;
        while parent[at] != at {
            at = parent[at];
        }
        roots.iter().position(|root| *root == at).unwrap_or_else(|| {
            roots.push(at);
            roots.len() - 1
        })
    };
    Some((0..tokens).map(number).collect())
}

fn normalized(feature: &[f32]) -> Vec<f32> {
    let norm = feature.iter().map(|x| x * x).sum::<f32>().sqrt();
    feature.iter().map(|x| if norm > 0.0 { x / norm } else { 0.0 }).collect()
}

/// Every pixel gets the label of the patch that it lies in: `[grid, grid]` to `[grid * patch, grid * patch]`.
pub fn enlarge<T: Copy>(labels: &[T], grid: usize, patch: usize) -> Vec<T> {
    let side = grid * patch;
    (0..side * side).map(|at| labels[at / side / patch * grid + at % side / patch]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_that_lie_close_are_together() {
        let angles = [0.0f32, 0.1, 1.5, 1.6, 3.3, 0.05];
        // Lengths do not matter.
        let features: Vec<f32> =
            angles.iter().zip(1..).flat_map(|(a, r)| [r as f32 * a.cos(), r as f32 * a.sin()]).collect();
        assert_eq!(clusters(&features, 6, 3), Some(vec![0, 0, 1, 1, 2, 0]));
        assert_eq!(clusters(&features, 6, 2), Some(vec![0, 0, 0, 0, 1, 0]));
        assert_eq!(clusters(&features, 6, 1), Some(vec![0; 6]));
        assert_eq!(clusters(&features, 6, 6), Some(vec![0, 1, 2, 3, 4, 5]));
        assert_eq!(clusters(&features, 6, 9), Some(vec![0, 1, 2, 3, 4, 5]));
    }

    #[test]
    fn features_that_are_no_numbers_have_no_clusters() {
        assert_eq!(clusters(&[0.0, f32::NAN], 2, 1), None);
        assert_eq!(clusters(&[], 0, 1), Some(vec![]));
        assert_eq!(clusters(&[0.0, 0.0, 1.0, 0.0], 2, 2), Some(vec![0, 1]));
    }

    #[test]
    fn patches_become_pixels() {
        assert_eq!(enlarge(&[1, 2, 3, 4], 2, 2), [1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4]);
    }
}
