//! Following a plan level by level, and building the maps from the deepest level up.
//!
//! **Invariant:** a node's children stand after it, so one walk backwards builds every map once. An
//! entity that recursion met before on the way to it is only named.

use super::plan::{Below, Field, Plan, Source, wild};
use super::{PullError, order};
use crate::datom::{KeyRange, Order, Slice};
use crate::db::Db;
use crate::id::{AttrId, EntityId};
use crate::value::{Keyword, Value};
use hashbrown::HashMap;

/// How many entities deep a result may be.
pub(super) const MAX_DEPTH: usize = 2_000;

/// How many maps recursion may make in one call.
pub(super) const MAX_RECURSION: usize = 1_000_000;

/// An entity at one place of the result.
struct Node {
    e: EntityId,
    plan: usize,
    parent: Option<u32>,
    /// The field of the parent that recursion came through, if it did.
    recursion: Option<usize>,
    part: bool,
    entries: Vec<Entry>,
}

struct Entry {
    written: Keyword,
    key: Value,
    single: bool,
    default: Option<Value>,
    xform: Option<super::Xform>,
    values: Vec<Part>,
}

enum Part {
    Value(Value),
    Node(u32),
}

/// What was read for a level: rows of each entity, of each field, or of each reverse field.
struct Rows {
    places: HashMap<Place, usize>,
    found: Vec<Vec<Slice>>,
    /// What values are sorted by.
    keys: order::Keys,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Place {
    All(EntityId),
    Forward(EntityId, AttrId),
    Reverse(EntityId, AttrId),
}

struct Run<'a> {
    db: &'a Db,
    plans: &'a [Plan],
    nodes: Vec<Node>,
    recursed: usize,
}

pub(super) fn run(db: &Db, plans: &[Plan], roots: &[EntityId]) -> Result<Vec<Value>, PullError> {
    let root = |e: &EntityId| Node {
        e: *e,
        plan: 0,
        parent: None,
        recursion: None,
        part: false,
        entries: Vec::new(),
    };
    let mut run = Run { db, plans, nodes: roots.iter().map(root).collect(), recursed: 0 };
    let (mut level, mut depth) = (0..run.nodes.len(), 0);
    while !level.is_empty() {
        if depth > MAX_DEPTH {
            return Err(PullError::TooDeep { limit: MAX_DEPTH });
        }
        let mut rows = run.read(level.clone())?;
        rows.keys = run.keys(level.clone(), &rows)?;
        let end = level.end;
        for node in level {
            run.fill(node, &rows)?;
        }
        level = end..run.nodes.len();
        depth += 1;
    }
    run.build(roots.len())
}

impl Run<'_> {
    /// Everything the level needs, in one scan an index.
    fn read(&self, level: std::ops::Range<usize>) -> Result<Rows, PullError> {
        let (mut places, mut forward, mut reverse) = (HashMap::new(), Vec::new(), Vec::new());
        for node in &self.nodes[level] {
            let plan = &self.plans[node.plan];
            let e = node.e;
            let mut want = |place: Place| {
                let ranges = match place {
                    Place::Reverse(..) => &mut reverse,
                    _ => &mut forward,
                };
                places.entry(place).or_insert_with(|| {
                    ranges.push(match place {
                        Place::All(e) => KeyRange::prefix(Some(e), None, None),
                        Place::Forward(e, a) => KeyRange::prefix(Some(e), Some(a), None),
                        Place::Reverse(e, a) => {
                            KeyRange::prefix(None, Some(a), Some(Value::Ref(e)))
                        }
                    });
                    ranges.len() - 1
                });
            };
            if plan.wildcard {
                want(Place::All(e));
            }
            for field in &plan.fields {
                match field.source {
                    Source::Reverse(a) => want(Place::Reverse(e, a)),
                    Source::Forward(a) if !plan.wildcard => want(Place::Forward(e, a)),
                    _ => {}
                }
            }
        }
        let mut found = self.db.scan(Order::Eavt, &forward)?;
        for (place, at) in &mut places {
            if matches!(place, Place::Reverse(..)) {
                *at += found.len();
            }
        }
        found.extend(self.db.scan(Order::Avet, &reverse)?);
        Ok(Rows { places, found, keys: order::Keys::default() })
    }

    /// What the level's values are sorted by, in one scan.
    fn keys(&self, level: std::ops::Range<usize>, rows: &Rows) -> Result<order::Keys, PullError> {
        let mut wanted = Vec::new();
        for node in &self.nodes[level] {
            let plan = &self.plans[node.plan];
            for field in plan.fields.iter().filter(|_| order::needs_keys(plan)) {
                let values = match field.source {
                    Source::Reverse(a) => rows.referring(node.e, a, usize::MAX),
                    Source::Forward(a) if !plan.wildcard => rows.values(node.e, a, usize::MAX),
                    Source::Forward(a) => {
                        let all = rows.by_attribute(node.e).into_iter();
                        all.filter(|(of, _)| *of == a).flat_map(|(_, values)| values).collect()
                    }
                    _ => Vec::new(),
                };
                let entities = values.iter().filter_map(|v| match v {
                    Value::Ref(e) => Some(*e),
                    _ => None,
                });
                wanted.extend(entities.flat_map(|e| order::attributes(field).map(move |a| (e, a))));
            }
        }
        if wanted.is_empty() {
            return Ok(order::Keys::default());
        }
        wanted.sort_unstable();
        wanted.dedup();
        order::read(self.db, wanted)
    }

    fn fill(&mut self, node: usize, rows: &Rows) -> Result<(), PullError> {
        let plans = self.plans;
        let (plan, e, part) = {
            let node = &self.nodes[node];
            (&plans[node.plan], node.e, node.part)
        };
        let mut entries = Vec::new();
        let mut everything: Vec<(AttrId, Vec<Value>)> = Vec::new();
        if plan.wildcard {
            everything = rows.by_attribute(e);
            let id_is_said = plan.fields.iter().any(|field| field.source == Source::Id);
            if (part || !everything.is_empty()) && !id_is_said {
                entries.push(id_entry(e));
            }
        }
        for (at, field) in plan.fields.iter().enumerate() {
            // Of what is sorted all is needed.
            let limit = if field.order.is_empty() { field.limit } else { usize::MAX };
            let mut values = match field.source {
                Source::Id => vec![Value::Ref(e)],
                Source::Nowhere => Vec::new(),
                Source::Reverse(a) => rows.referring(e, a, limit),
                Source::Forward(a) if plan.wildcard => everything
                    .iter_mut()
                    .find(|(known, _)| *known == a)
                    .map(|(_, values)| std::mem::take(values))
                    .unwrap_or_default(),
                Source::Forward(a) => rows.values(e, a, limit),
            };
            if !field.order.is_empty() {
                order::sort(&mut values, &field.order, &rows.keys);
            }
            entries.extend(self.entry(node, Some(at), field, values)?);
        }
        for (a, values) in everything.into_iter().filter(|(_, values)| !values.is_empty()) {
            let Some(attribute) = self.db.schema().get(a).cloned() else { continue };
            entries.extend(self.entry(node, None, &wild(&attribute), values)?);
        }
        self.nodes[node].entries = entries;
        Ok(())
    }

    /// One key of a node's map; `None` if there is nothing to be said under it.
    fn entry(
        &mut self,
        node: usize,
        at: Option<usize>,
        field: &Field,
        mut values: Vec<Value>,
    ) -> Result<Option<Entry>, PullError> {
        values.truncate(if field.single { 1 } else { field.limit });
        let mut parts = Vec::with_capacity(values.len());
        let exhausted = match (field.below, at) {
            (Below::Recursion(Some(depth)), Some(at)) => self.depth_of(node, at) >= depth as usize,
            _ => false,
        };
        for value in values.into_iter().filter(|_| !exhausted) {
            let Value::Ref(target) = value else {
                parts.push(Part::Value(value));
                continue;
            };
            parts.push(match field.below {
                _ if field.source == Source::Id => Part::Value(value),
                Below::Id => Part::Value(named(target)),
                Below::Plan(plan) => Part::Node(self.child(node, target, plan, None, false)?),
                Below::Part if self.is_part_of(node, target) => Part::Value(named(target)),
                Below::Part => {
                    let everything = self.plans.len() - 1;
                    Part::Node(self.child(node, target, everything, None, true)?)
                }
                Below::Recursion(_) if self.was_met(node, target) => Part::Value(named(target)),
                Below::Recursion(_) => {
                    let plan = self.nodes[node].plan;
                    Part::Node(self.child(node, target, plan, at, false)?)
                }
            });
        }
        if parts.is_empty() && field.default.is_none() && field.xform.is_none() {
            return Ok(None);
        }
        Ok(Some(Entry {
            written: field.written.clone(),
            key: field.key.clone(),
            single: field.single,
            default: field.default.clone(),
            xform: field.xform,
            values: parts,
        }))
    }

    fn child(
        &mut self,
        parent: usize,
        e: EntityId,
        plan: usize,
        recursion: Option<usize>,
        part: bool,
    ) -> Result<u32, PullError> {
        if recursion.is_some() || part {
            self.recursed += 1;
            if self.recursed > MAX_RECURSION {
                return Err(PullError::TooLarge { limit: MAX_RECURSION });
            }
        }
        let (parent, entries) = (Some(parent as u32), Vec::new());
        self.nodes.push(Node { e, plan, parent, recursion, part, entries });
        Ok((self.nodes.len() - 1) as u32)
    }

    /// The nodes from here up to where the recursion began, that one left out.
    fn recursion(&self, node: usize) -> impl Iterator<Item = &Node> {
        let start = Some(&self.nodes[node]);
        let up = |node: &&Node| node.parent.map(|parent| &self.nodes[parent as usize]);
        std::iter::successors(start, up).take_while(|node| node.recursion.is_some())
    }

    fn depth_of(&self, node: usize, field: usize) -> usize {
        self.recursion(node).filter(|node| node.recursion == Some(field)).count()
    }

    fn was_met(&self, node: usize, e: EntityId) -> bool {
        self.recursion(node).any(|node| node.e == e)
    }

    /// Whether an entity is among the wholes that this node is a part of, or the node itself.
    fn is_part_of(&self, node: usize, e: EntityId) -> bool {
        let mut node = &self.nodes[node];
        loop {
            if node.e == e {
                return true;
            }
            match node.parent.filter(|_| node.part) {
                Some(parent) => node = &self.nodes[parent as usize],
                None => return false,
            }
        }
    }

    fn build(mut self, roots: usize) -> Result<Vec<Value>, PullError> {
        let mut built: Vec<Option<Value>> = vec![None; self.nodes.len()];
        let mut bare = Vec::new();
        for node in (0..self.nodes.len()).rev() {
            let entries = std::mem::take(&mut self.nodes[node].entries);
            let mut map = Vec::with_capacity(entries.len());
            let mut only_id = true;
            for entry in entries {
                only_id &= entry.written.as_str() == "db/id" && entry.default.is_none();
                if let Some(value) = entry.value(&mut built)? {
                    map.push((entry.key, value));
                }
            }
            if only_id && !map.is_empty() && node < roots {
                bare.push(node);
            }
            built[node] = (!map.is_empty()).then(|| Value::map(map));
        }
        // Of an entity without facts nothing is known, not even that there is such an id.
        let whole = |node: &usize| KeyRange::prefix(Some(self.nodes[*node].e), None, None);
        let ranges: Vec<_> = bare.iter().map(whole).collect();
        for (node, found) in bare.iter().zip(self.db.scan_references(Order::Eavt, &ranges)?) {
            if found.is_empty() {
                built[*node] = None;
            }
        }
        built.truncate(roots);
        Ok(built.into_iter().map(|value| value.unwrap_or(Value::Nil)).collect())
    }
}

impl Entry {
    fn value(&self, built: &mut [Option<Value>]) -> Result<Option<Value>, PullError> {
        let parts = self.values.iter().filter_map(|part| match part {
            Part::Value(value) => Some(value.clone()),
            Part::Node(node) => built[*node as usize].take(),
        });
        let mut values: Vec<Value> = parts.collect();
        let value = match (self.single, values.is_empty()) {
            // There are entities, and nothing of them is asked for that they have.
            (false, true) if !self.values.is_empty() && self.default.is_none() => {
                Some(Value::from(values))
            }
            (_, true) => None,
            (true, false) => values.pop(),
            (false, false) => Some(values.into()),
        };
        match (value, &self.default, self.xform) {
            (None, Some(default), _) => Ok(Some(default.clone())),
            (value, _, Some(xform)) => {
                xform.apply(&self.written, &value.unwrap_or(Value::Nil)).map(Some)
            }
            (value, _, None) => Ok(value),
        }
    }
}

/// An entity of which only the id is said.
fn named(e: EntityId) -> Value {
    Value::map(vec![(Value::keyword("db/id"), Value::Ref(e))])
}

fn id_entry(e: EntityId) -> Entry {
    Entry {
        written: Keyword::new("db/id"),
        key: Value::keyword("db/id"),
        single: true,
        default: None,
        xform: None,
        values: vec![Part::Value(Value::Ref(e))],
    }
}

impl Rows {
    fn at(&self, place: Place) -> &[Slice] {
        self.places.get(&place).and_then(|at| self.found.get(*at)).map_or(&[], Vec::as_slice)
    }

    fn values(&self, e: EntityId, a: AttrId, limit: usize) -> Vec<Value> {
        let rows = self.at(Place::Forward(e, a)).iter();
        let rows = rows.flat_map(|s| s.rows.clone().map(move |row| (s, row)));
        let held = rows.filter(|(s, row)| s.facts.added(*row)).take(limit);
        held.map(|(s, row)| s.facts.v(row).to_value()).collect()
    }

    fn referring(&self, e: EntityId, a: AttrId, limit: usize) -> Vec<Value> {
        let rows = self.at(Place::Reverse(e, a)).iter();
        let rows = rows.flat_map(|s| s.rows.clone().map(move |row| (s, row)));
        let held = rows.filter(|(s, row)| s.facts.added(*row)).take(limit);
        held.map(|(s, row)| Value::Ref(s.facts.e(row))).collect()
    }

    fn by_attribute(&self, e: EntityId) -> Vec<(AttrId, Vec<Value>)> {
        let mut found: Vec<(AttrId, Vec<Value>)> = Vec::new();
        for slice in self.at(Place::All(e)) {
            for row in slice.rows.clone().filter(|row| slice.facts.added(*row)) {
                let (a, v) = (slice.facts.a(row), slice.facts.v(row).to_value());
                match found.last_mut() {
                    Some((last, values)) if *last == a => values.push(v),
                    _ => found.push((a, vec![v])),
                }
            }
        }
        found
    }
}
