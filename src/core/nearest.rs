//! How alike two names are: for messages that suggest what was meant.
//!
//! **Invariant:** a distance of 0 means equal names, and it does not depend on which one is first.

/// The number of characters to insert, delete or change (Levenshtein). Cost: the product of the
/// lengths.
pub fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let best = (diagonal + usize::from(x != *y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], best);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn changes_are_counted() {
        for (a, b, expected) in [("", "", 0), ("sku", "sku", 0), ("nam", "name", 1), ("a", "", 1)] {
            assert_eq!((distance(a, b), distance(b, a)), (expected, expected), "{a} {b}");
        }
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
