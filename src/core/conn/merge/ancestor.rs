//! The nearest common commit of two histories.
//!
//! A history is a line of first parents, which a head can be asked for by `t`, and the lines of the
//! commits that were merged into it. Two lines are one up to where they fork, which a binary search
//! finds; so only what was committed since is looked at.
//!
//! **Invariant:** what is found is an ancestor of both, and of no other common ancestor. A merged
//! commit whose branch was deleted counts by itself: what only its own history could tell is not
//! known, so an older common commit may be found, never a wrong one.

use crate::commit::{Opened, Refs};
use crate::conn::{ConnError, Place};
use crate::id::{CommitId, T};

/// A line of first parents up to some commit.
#[derive(Clone)]
pub(in crate::conn) struct Line {
    pub(in crate::conn) opened: Opened,
    pub(in crate::conn) upto: T,
}

/// A part of a history.
enum Part {
    Line(Box<Line>),
    /// A merged commit that no head has on its line.
    Alone(CommitId),
}

/// A commit, and a line that it is on.
#[derive(Clone)]
pub(super) struct Point {
    pub(super) id: CommitId,
    pub(super) line: Line,
}

/// Who can be asked about the past: the heads at hand, then all that `refs` names.
pub(super) struct Ancestry<'a> {
    place: &'a Place,
    refs: &'a Refs,
    target: Line,
    source: Line,
    others: Option<Vec<Opened>>,
    /// Where the two lines fork.
    pub(super) fork: T,
}

impl<'a> Ancestry<'a> {
    pub(super) async fn new(
        place: &'a Place,
        refs: &'a Refs,
        target: &Opened,
        source: &Opened,
    ) -> Result<Ancestry<'a>, ConnError> {
        let line = |opened: &Opened| Line { opened: opened.clone(), upto: opened.head.tip.t() };
        let (target, source) = (line(target), line(source));
        let fork = fork(place, &target, &source).await?;
        Ok(Self { place, refs, target, source, others: None, fork })
    }

    /// The nearest common commit; `None` is the empty database.
    pub(super) async fn nearest(&mut self) -> Result<Option<Point>, ConnError> {
        let (target, source) = (self.target.clone(), self.source.clone());
        let ours = self.history(&target).await?;
        let theirs = self.history(&source).await?;
        let mut common: Vec<Point> = Vec::new();
        for one in &ours {
            for other in &theirs {
                let found = self.meeting(one, other).await?;
                common.extend(found.filter(|found| common.iter().all(|c| c.id != found.id)));
            }
        }
        let mut best: Option<Point> = None;
        for (i, point) in common.iter().enumerate() {
            let mut nearest = true;
            for (j, other) in common.iter().enumerate() {
                nearest &= i == j || !self.is_ancestor(point.id, other).await?;
            }
            // Of several that are as near the choice is free, and the same each time.
            if nearest && best.as_ref().is_none_or(|best| best.id < point.id) {
                best = Some(point.clone());
            }
        }
        Ok(best)
    }

    /// Whether a commit is in the history of a point.
    async fn is_ancestor(&mut self, id: CommitId, of: &Point) -> Result<bool, ConnError> {
        let line = Line { upto: of.id.t, ..of.line.clone() };
        for part in self.history(&line).await? {
            let has = match &part {
                Part::Line(line) => has(self.place, line, id).await?,
                Part::Alone(alone) => *alone == id,
            };
            if has {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// All lines of a history that were not common when the two lines forked.
    async fn history(&mut self, line: &Line) -> Result<Vec<Part>, ConnError> {
        let mut parts = vec![Part::Line(Box::new(line.clone()))];
        let mut next = 0;
        while next < parts.len() {
            if let Part::Line(part) = &parts[next] {
                let part = part.clone();
                let floor =
                    if next == 0 { self.fork } else { fork(self.place, &part, line).await? };
                for id in self.merged(&part, floor).await? {
                    if !self.is_known(&parts, id).await? {
                        parts.push(match self.line_of(id).await? {
                            Some(line) => Part::Line(Box::new(line)),
                            None => Part::Alone(id),
                        });
                    }
                }
            }
            next += 1;
        }
        Ok(parts)
    }

    async fn is_known(&self, parts: &[Part], id: CommitId) -> Result<bool, ConnError> {
        for part in parts {
            let known = match part {
                Part::Line(line) => has(self.place, line, id).await?,
                Part::Alone(alone) => *alone == id,
            };
            if known {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The commits that were merged into a line after `floor`.
    async fn merged(&self, line: &Line, floor: T) -> Result<Vec<CommitId>, ConnError> {
        let range = T(floor.0 + 1)..=line.upto;
        let mut log = self.place.log(&line.opened, range, true);
        let mut merged = Vec::new();
        while let Some(entry) = log.next_entry().await? {
            merged.extend(entry.parents.iter().skip(1));
        }
        Ok(merged)
    }

    /// A head that has a commit on its line.
    async fn line_of(&mut self, id: CommitId) -> Result<Option<Line>, ConnError> {
        for line in [&self.target, &self.source] {
            if has(self.place, line, id).await? {
                return Ok(Some(Line { upto: id.t, ..line.clone() }));
            }
        }
        if self.others.is_none() {
            let mut others = Vec::new();
            for branch in self.refs.branches.values().filter(|branch| !branch.closed) {
                others.push(self.place.open_newest(&branch.head, None).await?.opened);
            }
            for tag in self.refs.tags.values() {
                others.push(self.place.open_tag(tag).await?);
            }
            self.others = Some(others);
        }
        for opened in self.others.iter().flatten() {
            let line = Line { opened: opened.clone(), upto: opened.head.tip.t() };
            if has(self.place, &line, id).await? {
                return Ok(Some(Line { upto: id.t, ..line }));
            }
        }
        Ok(None)
    }

    /// The last commit that two parts have in common.
    async fn meeting(&self, one: &Part, other: &Part) -> Result<Option<Point>, ConnError> {
        let point = |id: CommitId, line: &Line| Some(Point { id, line: line.clone() });
        Ok(match (one, other) {
            (Part::Line(one), Part::Line(other)) => {
                let t = fork(self.place, one, other).await?;
                if t == T(0) {
                    return Ok(None);
                }
                point(self.place.entry(&one.opened, t).await?.id, one)
            }
            (Part::Line(line), Part::Alone(id)) | (Part::Alone(id), Part::Line(line)) => {
                if has(self.place, line, *id).await? { point(*id, line) } else { None }
            }
            // Nothing can be read of such a commit.
            (Part::Alone(_), Part::Alone(_)) => None,
        })
    }
}

/// Whether a line has a commit.
pub(in crate::conn) async fn has(
    place: &Place,
    line: &Line,
    id: CommitId,
) -> Result<bool, ConnError> {
    Ok(id.t <= line.upto && place.entry(&line.opened, id.t).await?.id == id)
}

/// The last `t` at which two lines are one; 0 is the empty database. A binary search.
pub(in crate::conn) async fn fork(place: &Place, one: &Line, other: &Line) -> Result<T, ConnError> {
    // They are one at `low`, and not at `high`.
    let (mut low, mut high) = (0, one.upto.min(other.upto).0 + 1);
    while high - low > 1 {
        let middle = T(low + (high - low) / 2);
        let id = place.entry(&one.opened, middle).await?.id;
        if place.entry(&other.opened, middle).await?.id == id {
            low = middle.0;
        } else {
            high = middle.0;
        }
    }
    Ok(T(low))
}
