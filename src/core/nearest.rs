//! How alike two names are: for messages that suggest what was meant.
//!
//! **Invariant:** a distance of 0 means equal names, and it does not depend on which one is first.
//! The name that is found does not depend on the order of those that are known.

/// The number of characters to insert, delete, change or exchange with the next one. Cost: the
/// product of the lengths.
pub fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    let mut before = row.clone();
    for (i, x) in a.iter().enumerate() {
        let mut next = vec![i + 1; b.len() + 1];
        for (j, y) in b.iter().enumerate() {
            let mut best = (row[j] + usize::from(x != y)).min(next[j] + 1).min(row[j + 1] + 1);
            if i > 0 && j > 0 && (*x, a[i - 1]) == (b[j - 1], *y) {
                best = best.min(before[j - 1] + 1);
            }
            next[j + 1] = best;
        }
        before = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}

/// The longest name that others are looked for: comparing takes the product of the lengths.
const LONGEST: usize = 256;

/// How far two names are from each other, if they are alike: they share characters, and one and a
/// quarter of those of `a` at most are others.
fn alike(a: &str, b: &str) -> Option<usize> {
    let (length, other) = (a.chars().count(), b.chars().count());
    let most = 1 + length / 4;
    let far = (other.abs_diff(length) <= most).then(|| distance(a, b))?;
    (far <= most && far < other.max(length)).then_some(far)
}

/// The known name that is most like this one, if one is alike. Of two with a namespace what comes
/// after it has to be alike, too. A name without a namespace may mean one that has it; of one of
/// over 256 characters nothing is.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let length = name.chars().count();
    if length > LONGEST {
        return None;
    }
    let own = name.rsplit_once('/').map(|(_, last)| last);
    let far = |known: &str| match (own, known.rsplit_once('/')) {
        (None, Some((_, last))) if !last.is_empty() => {
            alike(name, known).or_else(|| alike(name, last).map(|far| far + 1))
        }
        (Some(own), Some((_, last))) if own != last => {
            alike(own, last).and_then(|_| alike(name, known))
        }
        _ => alike(name, known),
    };
    let found = known.filter_map(|known| Some((far(known)?, known)));
    found.filter(|(far, _)| *far <= 1 + length / 4).min().map(|(_, known)| known)
}

/// The suggestion behind a message: nothing, if no name is alike.
pub fn hint(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or_else(String::new, |name| format!(" (did you mean {name}?)"))
}

/// The same, of a name that is written as a keyword.
pub fn keyword_hint(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or_else(String::new, |name| format!(" (did you mean :{name}?)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_counted() {
        for (a, b, expected) in [("", "", 0), ("sku", "sku", 0), ("nam", "name", 1), ("a", "", 1)] {
            assert_eq!((distance(a, b), distance(b, a)), (expected, expected), "{a} {b}");
        }
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!([distance("nmae", "name"), distance("ab", "ba")], [1, 1]);
    }

    #[test]
    fn what_is_most_alike_is_found() {
        let known = ["range", "name", "clojure.string/starts-with?", "product/name", "product/sku"];
        let found = |name: &str| nearest(name, known.into_iter());
        assert_eq!(found("rnage"), Some("range"));
        assert_eq!(found("starts-with?"), Some("clojure.string/starts-with?"));
        assert_eq!(found("star-with?"), Some("clojure.string/starts-with?"));
        assert_eq!(found("product/nmae"), Some("product/name"));
        assert_eq!(found("sku"), Some("product/sku"));
        assert_eq!(nearest("y", ["x", "yy"].into_iter()), Some("yy"));
        assert_eq!(found("produkt/sku"), Some("product/sku"));
        assert_eq!([found("product/url"), found("product/n")], [None; 2]);
        assert_eq!([found("foo"), found("x"), found(""), found(&"x".repeat(100_000))], [None; 4]);
    }
}
