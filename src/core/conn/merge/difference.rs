//! The net difference of two commits: which facts hold at the one and not at the other.
//!
//! Two ways: the log of both since they forked, or their trees, where what both share by hash is
//! skipped. The log costs what was said, the trees what came of it.
//!
//! **Invariant:** both ways give the same. A fact that was said and taken back is in none.

use super::ancestor::{Line, Point, fork};
use crate::commit::{Frame, Opened};
use crate::conn::branch::db_of;
use crate::conn::{ConnError, Place};
use crate::db::ChangeKind;
use crate::id::{T, Tx};
use crate::transact::Fact;
use std::collections::{BTreeMap, BTreeSet};

/// Facts, and whether they hold only at the later commit, or only at the earlier.
pub(super) type Net = BTreeMap<Fact, bool>;

/// What was said of a fact on a line.
#[derive(Clone, Copy, Debug)]
struct Said {
    /// Whether it held before.
    was: bool,
    /// Whether it holds after.
    now: bool,
    /// Who said so last.
    tx: Tx,
}

/// What was said on a line.
#[derive(Debug, Default)]
struct Changes {
    facts: BTreeMap<Fact, Said>,
    /// Whether something of it was erased.
    purged: bool,
}

/// What two commits' lines said that makes them different.
#[derive(Debug)]
pub(in crate::conn) struct Logged {
    /// Facts that hold at the one only; whether at the later, and which transaction of its line
    /// said so, if one did since both forked.
    pub(in crate::conn) facts: BTreeMap<Fact, (bool, Option<Tx>)>,
    /// Whether something of it was erased: then it is not all.
    pub(in crate::conn) purged: bool,
}

/// The net difference from a common commit to a head, from the log.
pub(super) async fn by_log(
    place: &Place,
    base: Option<&Point>,
    source: &Line,
) -> Result<Net, ConnError> {
    let base = base.map(|base| Line { upto: base.id.t, ..base.line.clone() });
    let logged = logged(place, base.as_ref(), source).await?;
    Ok(logged.facts.into_iter().map(|(fact, (now, _))| (fact, now)).collect())
}

/// The net difference from the end of a line (`None`: the empty database) to that of another.
pub(in crate::conn) async fn logged(
    place: &Place,
    base: Option<&Line>,
    source: &Line,
) -> Result<Logged, ConnError> {
    let Some(base) = base else {
        return Ok(later(changes(place, source, T(0)).await?));
    };
    let fork = fork(place, base, source).await?;
    let to_source = changes(place, source, fork).await?;
    if fork == base.upto {
        return Ok(later(to_source));
    }
    let to_base = changes(place, base, fork).await?;
    let purged = to_source.purged || to_base.purged;
    let (to_source, to_base) = (to_source.facts, to_base.facts);
    let keys: BTreeSet<&Fact> = to_source.keys().chain(to_base.keys()).collect();
    let facts = keys.into_iter().filter_map(|fact| {
        let (here, there) = (to_source.get(fact), to_base.get(fact));
        // What only one of them changed is on the other as it was when they forked.
        let was = here.or(there).map(|said| said.was)?;
        let (now, before) = (here.map_or(was, |x| x.now), there.map_or(was, |x| x.now));
        (now != before).then(|| (fact.clone(), (now, here.map(|said| said.tx))))
    });
    Ok(Logged { facts: facts.collect(), purged })
}

fn later(changes: Changes) -> Logged {
    let changed = changes.facts.into_iter().filter(|(_, said)| said.was != said.now);
    let facts = changed.map(|(fact, said)| (fact, (said.now, Some(said.tx)))).collect();
    Logged { facts, purged: changes.purged }
}

/// Facts that a line touched after `floor`. Many segments of the log are one round.
async fn changes(place: &Place, line: &Line, floor: T) -> Result<Changes, ConnError> {
    let (mut changes, mut next) = (Changes::default(), T(floor.0 + 1));
    let spilled = line.opened.head.base.commit.map_or(T(0), |commit| commit.t).min(line.upto);
    let mut parent = None;
    if floor > T(0) && next <= spilled {
        parent = Some(place.entry(&line.opened, floor).await?.id);
    }
    while next <= spilled {
        let stretch = place.stretch(&line.opened, next, spilled).await?;
        next = T(stretch.last().0 + 1);
        for logged in &stretch.frames {
            let follows = logged.frame.follows(logged.id, parent);
            follows.map_err(|e| place.damaged("log", e))?;
            parent = Some(logged.id);
            changes.take(&logged.frame);
        }
    }
    let mut tail = place.log(&line.opened, next..=line.upto, false);
    while let Some((_, frame)) = tail.next().await? {
        changes.take(&frame);
    }
    Ok(changes)
}

impl Changes {
    fn take(&mut self, frame: &Frame) {
        self.purged |= frame.purged.is_some();
        for datom in frame.datoms() {
            let (added, tx) = (datom.added, datom.tx);
            let first = Said { was: !added, now: added, tx };
            let said = self.facts.entry((datom.e, datom.a, datom.v)).or_insert(first);
            (said.now, said.tx) = (added, tx);
        }
    }
}

/// The net difference between two opened commits, from their trees and what is in none yet.
pub(super) fn by_trees(base: &Opened, source: &Opened) -> Result<Net, ConnError> {
    let mut net = Net::new();
    let difference = db_of(base).difference(&db_of(source))?;
    for changes in difference.without_transactions() {
        for change in changes? {
            let (e, a) = (change.e, change.a);
            net.extend(change.old.map(|old| ((e, a, old), false)));
            net.insert((e, a, change.v), change.kind != ChangeKind::Retracted);
        }
    }
    Ok(net)
}
