//! Reachability over one ref attribute: edges are read level by level for all starts together, then
//! each start is followed in memory.
//!
//! **Invariant:** only edges of nodes that can be reached from a start are read, each once a run; a
//! round reads those of a whole level. Nothing bound: the attribute is read once, as a range.

use super::batch::Batch;
use super::cell::Cell;
use super::probe::Probes;
use super::{Output, Run, Sink};
use crate::datom::{KeyRange, Order, Slice};
use crate::db::Db;
use crate::id::{AttrId, EntityId};
use crate::query::bind::Source;
use crate::query::error::QueryError;
use crate::query::plan::{AttrSlot, Match, Reach, Slot, Step, Target};
use crate::value::{ValRef, Value};
use hashbrown::HashTable;

/// Runs a closure over a batch.
pub fn run<'q>(
    run: &mut Run<'q>,
    step: &'q Step,
    reach: &'q Reach,
    batch: Batch,
    next: Sink<'_, 'q>,
) -> Result<bool, QueryError> {
    let Source::Db(db) = &run.sources[reach.source] else { return Ok(true) };
    let from = entities(run, db, reach, reach.args[0], &batch)?;
    let to = entities(run, db, reach, reach.args[1], &batch)?;
    // Followed from the first argument, unless only the second is known.
    let reversed = from.is_none() && to.is_some();
    let mut graph = Graph::new(reach.attribute, reach.backward != reversed);
    let starts = if reversed { to.clone() } else { from };
    match &starts {
        Some(starts) => graph.explore(run, db, step, starts)?,
        None => graph.load(run, db, step)?,
    }
    run.held_bytes += graph.size_bytes();
    let walk =
        Walk { reach, step, batch: &batch, reversed, wanted: if reversed { None } else { to } };
    let more = walk.emit(run, &mut graph, starts.as_deref(), next)?;
    run.held_bytes -= graph.size_bytes().min(run.held_bytes);
    Ok(more)
}

/// The entity that an argument names in each row; `None` if it is not bound.
fn entities(
    run: &mut Run<'_>,
    db: &Db,
    reach: &Reach,
    arg: Target,
    batch: &Batch,
) -> Result<Option<Vec<Option<EntityId>>>, QueryError> {
    let Target::Col(column) = arg else { return Ok(None) };
    let m = Match {
        source: reach.source,
        e: Slot::Col(column),
        a: AttrSlot::Known(reach.attribute),
        v: Slot::Ignore,
        tx: Slot::Ignore,
        added: Slot::Ignore,
        bounds: Vec::new(),
        same: Vec::new(),
        expected_input: batch.rows as f64,
    };
    let probes = Probes::new(run, db, &m, batch)?;
    let mut entities = vec![None; batch.rows];
    for key in 0..probes.table.keys.len() {
        let entity = probes.table.keys.rows.cols[0][key].as_entity().map(|(e, _)| e);
        probes.table.rows_of(key).for_each(|row| entities[row] = entity);
    }
    Ok(Some(entities))
}

/// Edges between numbered nodes.
struct Graph {
    attribute: AttrId,
    /// An edge leads from the value to the entity.
    backward: bool,
    nodes: Vec<u64>,
    numbers: HashTable<u32>,
    /// The nodes that an edge leads to, one list after the other; where the list of each node is.
    targets: Vec<u32>,
    lists: Vec<(u32, u32)>,
    /// In which walk a node was seen last.
    seen: Vec<u32>,
}

fn hash(node: u64) -> u64 {
    Cell::long(node as i64).hash()
}

impl Graph {
    fn new(attribute: AttrId, backward: bool) -> Self {
        Self {
            attribute,
            backward,
            nodes: Vec::new(),
            numbers: HashTable::new(),
            targets: Vec::new(),
            lists: Vec::new(),
            seen: Vec::new(),
        }
    }

    fn size_bytes(&self) -> usize {
        self.nodes.capacity() * 25 + self.targets.capacity() * 4
    }

    fn number(&mut self, node: u64) -> u32 {
        let (nodes, hashed) = (&self.nodes, hash(node));
        if let Some(number) = self.numbers.find(hashed, |n| nodes[*n as usize] == node) {
            return *number;
        }
        let number = nodes.len() as u32;
        self.nodes.push(node);
        self.lists.push((0, 0));
        self.seen.push(0);
        let nodes = &self.nodes;
        self.numbers.insert_unique(hashed, number, |n| hash(nodes[*n as usize]));
        number
    }

    /// Reads the edges of all nodes that can be reached: a round a level.
    fn explore(
        &mut self,
        run: &Run<'_>,
        db: &Db,
        step: &Step,
        starts: &[Option<EntityId>],
    ) -> Result<(), QueryError> {
        starts.iter().flatten().for_each(|e| {
            self.number(e.0);
        });
        let mut explored = 0;
        while explored < self.nodes.len() {
            run.check_with(self.size_bytes(), &step.place)?;
            let mut level: Vec<u64> = self.nodes[explored..].to_vec();
            explored = self.nodes.len();
            level.sort_unstable();
            let a = Some(self.attribute);
            let range = |node: &u64| match self.backward {
                true => KeyRange::prefix(None, a, Some(Value::Ref(EntityId(*node)))),
                false => KeyRange::prefix(Some(EntityId(*node)), a, None),
            };
            let order = if self.backward { Order::Avet } else { Order::Aevt };
            let ranges: Vec<_> = level.iter().map(range).collect();
            for (node, slices) in level.into_iter().zip(db.scan_references(order, &ranges)?) {
                let first = self.targets.len() as u32;
                for slice in &slices {
                    self.targets_of(slice);
                }
                let number = self.number(node) as usize;
                self.lists[number] = (first, self.targets.len() as u32);
            }
        }
        Ok(())
    }

    fn targets_of(&mut self, slice: &Slice) {
        for row in slice.rows.clone() {
            let target = match (self.backward, slice.facts.v(row)) {
                (true, _) => slice.facts.e(row).0,
                (false, ValRef::Ref(e)) => e.0,
                _ => continue,
            };
            let number = self.number(target);
            self.targets.push(number);
        }
    }

    /// Reads all edges.
    fn load(&mut self, run: &Run<'_>, db: &Db, step: &Step) -> Result<(), QueryError> {
        let mut edges: Vec<(u32, u32)> = Vec::new();
        let range = KeyRange::prefix(None, Some(self.attribute), None);
        for slice in db.chunks(Order::Aevt, range).references() {
            run.check_with(self.size_bytes() + 8 * edges.capacity(), &step.place)?;
            let slice = slice?;
            for row in slice.rows.clone() {
                let ValRef::Ref(v) = slice.facts.v(row) else { continue };
                let (e, v) = (self.number(slice.facts.e(row).0), self.number(v.0));
                edges.push(if self.backward { (v, e) } else { (e, v) });
            }
        }
        edges.sort_unstable();
        for list in edges.chunk_by(|a, b| a.0 == b.0) {
            let first = self.targets.len() as u32;
            self.targets.extend(list.iter().map(|(_, to)| *to));
            self.lists[list[0].0 as usize] = (first, self.targets.len() as u32);
        }
        Ok(())
    }

    /// What can be reached from a node by one edge or more; `walk` is a number that no walk had
    /// before.
    fn reached(&mut self, start: u32, walk: u32, out: &mut Vec<u32>) {
        out.clear();
        let (mut next, mut node) = (0, start);
        loop {
            let (first, last) = self.lists[node as usize];
            for target in &self.targets[first as usize..last as usize] {
                if std::mem::replace(&mut self.seen[*target as usize], walk) != walk {
                    out.push(*target);
                }
            }
            match out.get(next) {
                Some(reached) => node = *reached,
                None => return,
            }
            next += 1;
        }
    }
}

/// What is emitted of a graph.
struct Walk<'a> {
    reach: &'a Reach,
    step: &'a Step,
    batch: &'a Batch,
    reversed: bool,
    /// The ends that rows want, if both arguments are bound.
    wanted: Option<Vec<Option<EntityId>>>,
}

impl Walk<'_> {
    fn emit<'q>(
        &self,
        run: &mut Run<'q>,
        graph: &mut Graph,
        starts: Option<&[Option<EntityId>]>,
        next: Sink<'_, 'q>,
    ) -> Result<bool, QueryError> {
        let [from, to] = self.reach.args.map(|arg| arg == Target::New);
        let loops = matches!(self.reach.args[1], Target::Same(_));
        let mut out = Output::new(self.batch, self.step, usize::from(from) + usize::from(to));
        let database = run.databases[self.reach.source];
        let (mut reached, mut walks) = (Vec::new(), 0);
        for row in 0..self.batch.rows {
            let all = 0..graph.nodes.len() as u32;
            let begin: Vec<u32> = match starts {
                Some(starts) => starts[row].iter().map(|e| graph.number(e.0)).collect(),
                None => all.collect(),
            };
            for start in begin {
                walks += 1;
                graph.reached(start, walks, &mut reached);
                run.tick(1 + reached.len(), &self.step.place)?;
                let wanted = self.wanted.as_ref().map(|wanted| wanted[row].map(|e| e.0));
                for end in &reached {
                    let node = Some(graph.nodes[*end as usize]);
                    if wanted.is_some_and(|wanted| wanted != node) || loops && *end != start {
                        continue;
                    }
                    let ends = if self.reversed { [*end, start] } else { [start, *end] };
                    let cell = |n: u32| Cell::entity(EntityId(graph.nodes[n as usize]), database);
                    let new = [from.then(|| cell(ends[0])), to.then(|| cell(ends[1]))];
                    let new = new.into_iter().flatten();
                    out.new.iter_mut().zip(new).for_each(|(col, cell)| col.push(cell));
                    out.pick(row);
                }
                if !out.flush_full(run, next)? {
                    return Ok(false);
                }
            }
        }
        out.flush(run, next)
    }
}
