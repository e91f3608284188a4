//! Neighbouring ranges of one object as one request.
//!
//! **Invariant:** [`deliver`] gives for each range asked exactly its bytes, in the order asked,
//! from pieces that [`plan`] made of the same list. Whole objects are never merged with ranges; the
//! same thing asked twice is fetched once.

use bytes::Bytes;
use factfs_core::store::Fetch;
use std::collections::BTreeMap;

/// One request, and which of those asked it answers.
#[derive(Debug, PartialEq)]
pub(crate) struct Piece {
    /// What to request.
    pub(crate) fetch: Fetch,
    members: Vec<usize>,
}

/// What to request for `asked`, sorted by object and place: ranges closer than `gap` together,
/// unless the piece would become longer than `limit`.
pub(crate) fn plan(asked: &[Fetch], gap: u64, limit: u64) -> Vec<Piece> {
    let mut whole: BTreeMap<&str, Piece> = BTreeMap::new();
    let mut ranges = Vec::new();
    for (n, fetch) in asked.iter().enumerate() {
        match &fetch.range {
            Some(range) => ranges.push((fetch.key.as_str(), range.start, range.end, n)),
            None => {
                let piece = || Piece { fetch: fetch.clone(), members: Vec::new() };
                whole.entry(&fetch.key).or_insert_with(piece).members.push(n);
            }
        }
    }
    ranges.sort_unstable();
    let mut pieces: Vec<Piece> = Vec::new();
    for (key, start, end, n) in ranges {
        let joined =
            pieces.last_mut().is_some_and(|last| last.join(key, start, end, n, gap, limit));
        if !joined {
            let fetch = Fetch { key: key.to_owned(), range: Some(start..end) };
            pieces.push(Piece { fetch, members: vec![n] });
        }
    }
    pieces.extend(whole.into_values());
    pieces
}

impl Piece {
    fn join(&mut self, key: &str, start: u64, end: u64, n: usize, gap: u64, limit: u64) -> bool {
        let Some(range) = &mut self.fetch.range else { return false };
        let longer = range.end.max(end);
        let near = start <= range.end.saturating_add(gap);
        let fits = longer == range.end || longer - range.start <= limit;
        if self.fetch.key != key || !near || !fits {
            return false;
        }
        range.end = longer;
        self.members.push(n);
        true
    }
}

/// The bytes of each range asked, out of what the pieces brought (each exactly as long as its
/// range).
pub(crate) fn deliver(asked: &[Fetch], brought: Vec<(Piece, Bytes)>) -> Vec<Bytes> {
    let mut answers = vec![Bytes::new(); asked.len()];
    for (piece, bytes) in brought {
        for n in piece.members {
            answers[n] = match (&asked[n].range, &piece.fetch.range) {
                (Some(part), Some(all)) => {
                    let at = |place: u64| (place - all.start) as usize;
                    bytes.slice(at(part.start)..at(part.end))
                }
                _ => bytes.clone(),
            };
        }
    }
    answers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fetch(text: &str) -> Fetch {
        let (key, range) = text.split_once(' ').unwrap();
        let range = range.split_once('-').map(|(a, b)| a.parse().unwrap()..b.parse().unwrap());
        Fetch { key: key.to_owned(), range }
    }

    /// Checks the pieces (gap 10, limit 100), and that each member gets its own bytes back.
    fn check(asked: &[&str], pieces: &[&str]) {
        let asked: Vec<_> = asked.iter().map(|text| fetch(text)).collect();
        let planned = plan(&asked, 10, 100);
        let found: Vec<_> = planned.iter().map(|piece| piece.fetch.clone()).collect();
        assert_eq!(found, pieces.iter().map(|text| fetch(text)).collect::<Vec<_>>());
        let whole: Bytes = (0..=255).collect();
        let cut = |fetch: &Fetch| match &fetch.range {
            Some(range) => whole.slice(range.start as usize..range.end as usize),
            None => whole.clone(),
        };
        let brought = planned.into_iter().map(|piece| (cut(&piece.fetch), piece));
        let answers = deliver(&asked, brought.map(|(bytes, piece)| (piece, bytes)).collect());
        assert_eq!(answers, asked.iter().map(cut).collect::<Vec<_>>());
    }

    #[test]
    fn neighbours_become_one_piece() {
        check(&["a 0-5"], &["a 0-5"]);
        check(&["a 20-30", "a 0-10"], &["a 0-30"]);
        check(&["a 0-10", "a 21-30"], &["a 0-10", "a 21-30"]);
        check(&["a 0-10", "b 10-20", "a 10-20"], &["a 0-20", "b 10-20"]);
        check(&["a 0-50", "a 10-20", "a 50-101"], &["a 0-50", "a 50-101"]);
        check(&["a 0-200", "a 10-20"], &["a 0-200"]);
        check(&["a all", "a 5-6", "a all", "a 5-6"], &["a 5-6", "a all"]);
        check(&[], &[]);
    }
}
