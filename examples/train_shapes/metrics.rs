//! How well clusters of pixels agree with the objects on an image.

use std::collections::BTreeMap;

/// The adjusted Rand index of two partitions of the same things: 1 for the same partition, 0 on average for a random
/// one of the same sizes. Hubert and Arabie (1985).
///
/// Where neither partition says anything (both have one part, or every thing is a part of its own) it is 1.
pub fn adjusted_rand(truth: &[usize], found: &[usize]) -> f64 {
    let (mut cells, mut rows, mut columns) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for (t, f) in truth.iter().zip(found) {
        *cells.entry((t, f)).or_insert(0u64) += 1;
        *rows.entry(t).or_insert(0u64) += 1;
        *columns.entry(f).or_insert(0u64) += 1;
    }
    let pairs = |n: u64| (n * n.saturating_sub(1) / 2) as f64;
    let together: f64 = cells.values().map(|n| pairs(*n)).sum();
    let (in_rows, in_columns): (f64, f64) =
        (rows.values().map(|n| pairs(*n)).sum(), columns.values().map(|n| pairs(*n)).sum());
    let all = pairs(truth.len() as u64);
    let expected = if all > 0.0 { in_rows * in_columns / all } else { 0.0 };
    let most = (in_rows + in_columns) / 2.0;
    if most == expected { 1.0 } else { (together - expected) / (most - expected) }
}

/// FG-ARI: [`adjusted_rand`] over the pixels of objects; 0 is the background.
pub fn foreground_rand(objects: &[usize], clusters: &[usize]) -> f64 {
    let foreground = objects.iter().zip(clusters).filter(|(object, _)| **object > 0);
    let (truth, found): (Vec<usize>, Vec<usize>) = foreground.unzip();
    adjusted_rand(&truth, &found)
}

/// MBO: the largest intersection over union that any cluster has with an object, mean over the objects; 0 is the
/// background. Clusters are whole, with what they have of the background.
pub fn mean_best_overlap(objects: &[usize], clusters: &[usize]) -> f64 {
    let (mut cells, mut rows, mut columns) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for (object, cluster) in objects.iter().zip(clusters) {
        *cells.entry((object, cluster)).or_insert(0usize) += 1;
        *rows.entry(object).or_insert(0usize) += 1;
        *columns.entry(cluster).or_insert(0usize) += 1;
    }
    rows.remove(&0);
    let overlap = |object, cluster| {
        let both = cells.get(&(object, cluster)).copied().unwrap_or(0);
        both as f64 / (rows[object] + columns[cluster] - both) as f64
    };
    let best = |object| columns.keys().map(|cluster| overlap(object, *cluster)).fold(0.0, f64::max);
    let sum: f64 = rows.keys().map(|object| best(*object)).sum();
    if rows.is_empty() { 1.0 } else { sum / rows.len() as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_clusters_do_not_matter() {
        assert_eq!(adjusted_rand(&[0, 0, 1, 1, 2], &[7, 7, 3, 3, 5]), 1.0);
        assert_eq!(mean_best_overlap(&[0, 1, 1, 2], &[9, 4, 4, 0]), 1.0);
    }

    /// One pair of six is together in both; 2 in one, 1 in the other: (1 - 2/6) / (3/2 - 2/6) = 4/7.
    #[test]
    fn the_index_agrees_with_a_count_by_hand() {
        let index = adjusted_rand(&[0, 0, 1, 1], &[0, 0, 1, 2]);
        assert!((index - 4.0 / 7.0).abs() < 1e-15, "{index}");
        // No pair is together in both: (0 - 2/3) / (2 - 2/3).
        let index = adjusted_rand(&[0, 0, 1, 1], &[0, 1, 0, 1]);
        assert!((index + 0.5).abs() < 1e-15, "{index}");
        // One cluster for everything says nothing.
        assert_eq!(adjusted_rand(&[0, 0, 1, 1], &[0, 0, 0, 0]), 0.0);
        assert_eq!(adjusted_rand(&[1, 1], &[4, 4]), 1.0);
        assert_eq!(adjusted_rand(&[], &[]), 1.0);
    }

    #[test]
    fn the_background_does_not_count_in_the_index() {
        let (objects, clusters) = ([0, 0, 1, 1, 2, 2], [5, 6, 1, 1, 2, 3]);
        assert!((foreground_rand(&objects, &clusters) - 4.0 / 7.0).abs() < 1e-15);
    }

    /// Object 1 has 3 pixels; cluster 5 has 2 of them and one of the background: 2 / (3 + 3 - 2). Object 2 is one pixel
    /// of two in cluster 6: 1 / (1 + 2 - 1).
    #[test]
    fn the_overlap_agrees_with_a_count_by_hand() {
        let (objects, clusters) = ([0, 1, 1, 1, 2], [5, 5, 5, 6, 6]);
        assert!((mean_best_overlap(&objects, &clusters) - (0.5 + 0.5) / 2.0).abs() < 1e-15);
        assert_eq!(mean_best_overlap(&[0, 0], &[1, 2]), 1.0);
    }
}
