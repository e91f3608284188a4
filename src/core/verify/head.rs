//! One head, or one frozen head, against the log.
//!
//! **Invariant:** trees, novelty, schema, counts and tip are compared with what the log says at the
//! commit that each stands for.

use super::Findings;
use super::log::{Logs, State};
use super::trees::{Kind, Trees};
use crate::commit::{About, Frame, Head, Novelty, ObjectRef, novelty_name};
use crate::conn::{Place, commit_key, commit_of_row};
use crate::datom::{Datom, Facts, Order};
use crate::db::Layer;
use crate::hash::NodeHash;
use crate::id::{AttrId, CommitId};
use crate::index::{NodesError, rows_get};
use crate::schema::{Flexibility, Schema};
use crate::store::{Fetch, StoreError};
use std::collections::{BTreeMap, BTreeSet};

/// A head and the object that holds it.
#[derive(Debug)]
pub(super) struct Named {
    /// The object.
    pub(super) object: String,
    pub(super) head: Head,
    /// The commit that its trees end at.
    pub(super) flushed: Option<CommitId>,
    /// What its schema says of attributes that are not declared: no transaction needs to have said
    /// it.
    pub(super) flexibility: Flexibility,
    /// Its novelty object.
    novelty: Novelty,
    about: About,
}

impl Named {
    /// With what it needs beside the trees. `None`, and a finding, if that cannot be had.
    pub(super) async fn read(
        place: &Place,
        object: &str,
        head: Head,
        found: &mut Findings<'_>,
    ) -> Result<Option<Self>, StoreError> {
        let novelty = match &head.base.novelty {
            Some(expected) => read_novelty(place, expected, found).await?,
            None => Some(Novelty::default()),
        };
        let Some(novelty) = novelty else { return Ok(None) };
        let about = match head.base.about.as_ref().or(novelty.about.as_ref()) {
            Some(bytes) => About::decode(bytes),
            None => Ok(About::default()),
        };
        let about = match about {
            Ok(about) => about,
            Err(error) => {
                found.add(object, format!("schema and counts: {error}"));
                return Ok(None);
            }
        };
        let flushed = match flushed(place, &head) {
            Ok(flushed) => flushed,
            Err(error) => {
                found.nodes(object, error)?;
                return Ok(None);
            }
        };
        let (object, flexibility) = (object.to_owned(), about.schema.flexibility);
        Ok(Some(Self { object, head, flushed, flexibility, novelty, about }))
    }

    /// Compares all of it with the log; what the log says at its tip, if it could be read.
    pub(super) async fn check(
        &self,
        trees: &mut Trees<'_>,
        logs: &mut Logs<'_>,
        found: &mut Findings<'_>,
    ) -> Result<Option<State>, StoreError> {
        let (head, base) = (&self.head, &self.head.base);
        for (node, bytes) in &base.inlined {
            if NodeHash::of(bytes) != node.hash {
                self.wrong(found, format!("node {}: the copy here is damaged", node.hash));
            }
        }
        let rows = trees.total(&self.object, base.commits.as_ref(), Kind::Commits, found);
        let Some(rows) = rows else { return Ok(None) };
        let Some(flushed) = logs.flushed(self, rows.rows, found).await? else { return Ok(None) };
        if flushed.rows != rows.rows {
            self.wrong(found, "COMMITS is not what the log says");
        }
        let Some(recent) = logs.recent(&base.log, found).await? else { return Ok(None) };
        let mut state = State::clone(&flushed);
        let mut datoms: Vec<Datom> = Vec::new();
        // The first segment may begin before: what the trees have is not said again.
        for (id, frame) in recent.iter().filter(|(id, _)| id.t > base.flushed) {
            logs.note(frame);
            if let Err(error) = state.say(*id, frame) {
                self.wrong(found, format!("the log: {error}"));
                return Ok(None);
            }
            datoms.extend(frame.datoms());
        }
        if state.commit() != base.commit {
            self.wrong(found, "what is below its tail does not end where it says");
            return Ok(None);
        }
        self.check_base(&state, &datoms, found);
        for bytes in &head.tail {
            let said = Frame::decode(bytes).and_then(|(id, frame)| {
                logs.note(&frame);
                state.say(id, &frame)
            });
            if let Err(error) = said {
                self.wrong(found, format!("its tail: {error}"));
                return Ok(None);
            }
        }
        self.check_tip(&state, found);
        self.check_trees(trees, &flushed, &state, found);
        Ok(Some(state))
    }

    fn wrong(&self, found: &mut Findings<'_>, what: impl Into<String>) {
        found.add(&self.object, what);
    }

    /// Novelty, schema and counts.
    fn check_base(&self, state: &State, datoms: &[Datom], found: &mut Findings<'_>) {
        let novelty = Layer::default().apply(datoms, &state.schema, &state.schema);
        if !same(novelty.facts(Order::Eavt), &self.novelty.facts) {
            let name = self.head.base.novelty.as_ref().map(|n| novelty_name(n.name));
            let object = name.as_deref().unwrap_or(&self.object);
            found.add(object, "the novelty is not what the log says");
        }
        if self.about.schema != state.schema {
            self.wrong(found, "the schema is not what the log says");
        }
        let counts = |attribute: &AttrId| self.about.counts.get(attribute).copied();
        let said: BTreeMap<AttrId, u64> =
            state.said.0.iter().map(|(attribute, sums)| (*attribute, sums.rows())).collect();
        let attributes: BTreeSet<&AttrId> = said.keys().chain(self.about.counts.keys()).collect();
        for attribute in attributes {
            let (has, is) = (counts(attribute), said.get(attribute).copied());
            if has.unwrap_or(0) != is.unwrap_or(0) {
                let (has, is) = (has.unwrap_or(0), is.unwrap_or(0));
                let name = name(&state.schema, *attribute);
                self.wrong(found, format!("{has} facts of {name} are counted; the log says {is}"));
            }
        }
    }

    fn check_tip(&self, state: &State, found: &mut Findings<'_>) {
        let tip = &self.head.tip;
        if tip.commit != state.commit() {
            return self.wrong(found, "its commit is not what the log says");
        }
        let Some((_, last)) = &state.last else { return };
        let own_id = last.next_entity.block() == tip.next_entity.block();
        let same = tip.tx == last.tx
            && tip.instant_ms == Some(last.instant_ms)
            && tip.parents.first() == last.parents.first()
            && (!own_id || tip.next_entity == last.next_entity);
        if !same {
            self.wrong(found, "what it says of its commit is not what the log says");
        }
    }

    fn check_trees(
        &self,
        trees: &mut Trees<'_>,
        flushed: &State,
        tip: &State,
        found: &mut Findings<'_>,
    ) {
        let roots = &self.head.base.trees;
        for order in Order::ALL {
            let now = roots.current[order as usize].as_ref();
            let past = roots.superseded[order as usize].as_ref();
            let kind = |ended| Kind::Facts { order, ended };
            let now = trees.total(&self.object, now, kind(false), found);
            let past = trees.total(&self.object, past, kind(true), found);
            let Some((now, past)) = now.zip(past) else { continue };
            let all = [&flushed.said, &now.sums, &past.sums];
            let attributes: BTreeSet<AttrId> =
                all.iter().flat_map(|sums| sums.0.keys()).copied().collect();
            let in_avet = |a: &AttrId| tip.schema.get(*a).is_some_and(|a| a.in_avet());
            // What left AVET may still be there: nobody looks for it.
            for a in attributes.into_iter().filter(|a| order != Order::Avet || in_avet(a)) {
                let (log, now, past) = (flushed.said.get(a), now.sums.get(a), past.sums.get(a));
                let mut both = now;
                both += &past;
                let right = match tip.no_history.contains(&a) {
                    true => log.rows() == now.began && log.held == now.held,
                    false => both == log,
                };
                if !right {
                    let name = name(&tip.schema, a);
                    let (held, ended) = (now.began, past.began);
                    let (rows, over) = (log.rows(), log.ended);
                    self.wrong(
                        found,
                        format!(
                            "{}: {held} facts of {name} and {ended} that ended; the log says \
                             {rows} and {over}, or they are others",
                            format!("{order:?}").to_uppercase()
                        ),
                    );
                }
            }
        }
    }
}

fn name(schema: &Schema, attribute: AttrId) -> String {
    let known = schema.get(attribute).map(|a| a.ident.to_string());
    known.unwrap_or_else(|| format!("attribute {attribute}"))
}

fn same(x: &Facts, y: &Facts) -> bool {
    let row = |i: usize| {
        let (one, other) = (x.key(i), y.key(i));
        one.cmp_in(Order::Eavt, &other).is_eq() && x.end(i) == y.end(i) && x.added(i) == y.added(i)
    };
    x.len() == y.len() && (0..x.len()).all(row)
}

/// The commit that the trees of a head end at.
pub(super) fn flushed(place: &Place, head: &Head) -> Result<Option<CommitId>, NodesError> {
    let (t, root) = (head.base.flushed, head.base.commits.as_ref());
    let row = rows_get(place.nodes.as_ref(), root, &[commit_key(t).into()])?.pop().flatten();
    Ok(row.and_then(|row| Some(commit_of_row(t, &row).ok()?.0.id)))
}

async fn read_novelty(
    place: &Place,
    expected: &ObjectRef,
    found: &mut Findings<'_>,
) -> Result<Option<Novelty>, StoreError> {
    let key = novelty_name(expected.name);
    let bytes = match place.store.get(&Fetch { key: key.clone(), range: None }).await {
        Ok(bytes) => bytes,
        Err(error) => {
            found.unreadable(&key, error)?;
            return Ok(None);
        }
    };
    match Novelty::decode_as(expected, &bytes) {
        Ok(novelty) if novelty.facts.len() as u64 == expected.rows => return Ok(Some(novelty)),
        Ok(_) => found.add(&key, "another number of facts than its head says"),
        Err(error) => found.add(&key, error.to_string()),
    }
    Ok(None)
}
