//! The net difference of two commits: which facts hold at the one and not at the other.
//!
//! Two ways: the log of both since they forked, or their trees, where what both share by hash is
//! skipped. The log costs what was said, the trees what came of it.
//!
//! **Invariant:** both ways give the same. A fact that was said and taken back is in none.

use super::ancestor::{Line, Point, fork};
use crate::commit::Opened;
use crate::conn::{ConnError, Place};
use crate::datom::{Facts, Order};
use crate::id::{T, Tx};
use crate::index;
use crate::transact::Fact;
use std::collections::{BTreeMap, BTreeSet};

/// Facts, and whether they hold only at the later commit, or only at the earlier.
pub(super) type Net = BTreeMap<Fact, bool>;

/// The net difference from a common commit to a head, from the log.
pub(super) async fn by_log(
    place: &Place,
    base: Option<&Point>,
    source: &Line,
) -> Result<Net, ConnError> {
    let Some(base) = base else {
        return Ok(later(&changes(place, source, T(0)).await?));
    };
    let line = Line { upto: base.id.t, ..base.line.clone() };
    let fork = fork(place, &line, source).await?;
    let to_source = changes(place, source, fork).await?;
    if fork == base.id.t {
        return Ok(later(&to_source));
    }
    let to_base = changes(place, &line, fork).await?;
    let keys: BTreeSet<&Fact> = to_source.keys().chain(to_base.keys()).collect();
    let net = keys.into_iter().filter_map(|fact| {
        let (here, there) = (to_source.get(fact), to_base.get(fact));
        // What only one of them changed is on the other as it was when they forked.
        let was = here.or(there).map(|(was, _)| *was)?;
        let (here, there) = (here.map_or(was, |x| x.1), there.map_or(was, |x| x.1));
        (here != there).then(|| (fact.clone(), here))
    });
    Ok(net.collect())
}

fn later(changes: &BTreeMap<Fact, (bool, bool)>) -> Net {
    let changed = changes.iter().filter(|(_, (was, now))| was != now);
    changed.map(|(fact, (_, now))| (fact.clone(), *now)).collect()
}

/// Facts that a line touched after `floor`: whether they held before, and after.
async fn changes(
    place: &Place,
    line: &Line,
    floor: T,
) -> Result<BTreeMap<Fact, (bool, bool)>, ConnError> {
    let mut changes: BTreeMap<Fact, (bool, bool)> = BTreeMap::new();
    let mut log = place.log(&line.opened, T(floor.0 + 1)..=line.upto, false);
    while let Some((_, frame)) = log.next().await? {
        for datom in frame.datoms() {
            let change = changes.entry((datom.e, datom.a, datom.v));
            change.or_insert((!datom.added, datom.added)).1 = datom.added;
        }
    }
    Ok(changes)
}

/// The net difference between two opened commits, from their trees and what is in none yet.
pub(super) fn by_trees(place: &Place, base: &Opened, source: &Opened) -> Result<Net, ConnError> {
    let root = |opened: &Opened| opened.head.base.trees.current[Order::Eavt as usize].clone();
    let (one, other) = (root(base), root(source));
    let nodes = place.nodes.as_ref();
    let (one, other) = index::diff(nodes, one.as_ref(), other.as_ref(), Order::Eavt)?;
    let (one, other) = (index::whole_facts(nodes, one)?, index::whole_facts(nodes, other)?);
    let (in_base, in_source) = (facts(&one), facts(&other));
    let (over_base, over_source) = (layered(base), layered(source));
    let in_trees = in_base.iter().chain(&in_source);
    let keys: BTreeSet<&Fact> =
        in_trees.chain(over_base.keys()).chain(over_source.keys()).collect();
    let net = keys.into_iter().filter_map(|fact| {
        let (here, there) = (over_source.get(fact), over_base.get(fact));
        let differs = in_base.contains(fact) || in_source.contains(fact);
        // What no layer touches and the trees do not tell apart is below both or below none, as the
        // other one's layers know.
        let below = |set: &BTreeSet<Fact>| match differs {
            true => set.contains(fact),
            false => here.or(there).is_some_and(|(below, _)| *below),
        };
        let here = here.map_or_else(|| below(&in_source), |(_, now)| *now);
        let there = there.map_or_else(|| below(&in_base), |(_, now)| *now);
        (here != there).then(|| (fact.clone(), here))
    });
    Ok(net.collect())
}

fn facts(rows: &Facts) -> BTreeSet<Fact> {
    (0..rows.len()).map(|row| (rows.e(row), rows.a(row), rows.v(row).to_value())).collect()
}

/// Facts that the layers of a head touch: whether they held below, and hold now.
fn layered(opened: &Opened) -> BTreeMap<Fact, (bool, bool)> {
    let mut all: BTreeMap<Fact, (bool, bool)> = BTreeMap::new();
    for layer in &opened.snapshot.layers {
        let rows = layer.facts(Order::Eavt);
        for row in 0..rows.len() {
            let fact = (rows.e(row), rows.a(row), rows.v(row).to_value());
            let (below, now) = (rows.tx(row) == Tx(0), rows.end(row).is_none());
            all.entry(fact).or_insert((below, now)).1 = now;
        }
    }
    all
}
