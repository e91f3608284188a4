//! The bytes of a file that is made when it is opened.
//!
//! **Invariant:** the work holds the values it reads, so it gives the same bytes whenever it is
//! done. A failure is the failure of the whole file: there is never a part of an answer.

use super::answer::costly;
use super::diff::Compared;
use super::node::{Aspect, At, Leaf, Node, Part};
use super::plan::Plan;
use super::{Key, Limits, Tree, by};
use crate::error::{Failure, Result};
use crate::render;
use crate::source::{Moment, Mounted};
use crate::spool::{Cancel, Content, Spool};
use factfs_core::datom::{KeyRange, Order};
use factfs_core::value::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A file to be made.
#[derive(Clone)]
pub struct Work {
    /// Where it is.
    pub node: Node,
    /// In which format, and what of the answer.
    pub leaf: Leaf,
    /// The identity of the answer, the same for the files about it.
    pub answer: Key,
    /// The values that are read.
    pub pins: Pins,
}

/// Values that are read.
#[derive(Clone)]
pub enum Pins {
    /// A snapshot.
    Moment(Box<(Mounted, Moment)>),
    /// Two snapshots.
    Difference(Box<Compared>),
    /// A question, or why there is none.
    Plan(Result<Arc<Plan>>),
}

/// An answer as bytes.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// The bytes.
    pub content: Content,
    /// Rows, where there are rows.
    pub rows: Option<u64>,
    /// What may not be meant.
    pub warnings: Vec<String>,
    /// How long it took.
    pub took: Duration,
    /// How many nodes the mount fetched from the stores meanwhile.
    pub fetched: u64,
}

impl std::fmt::Debug for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Work({})", self.node.path())
    }
}

impl Work {
    /// Whether it costs no more than a few seeks, so that its size can be known without opening it.
    pub fn is_cheap(&self) -> bool {
        let cheap = |part: &Part| {
            matches!(
                part,
                Part::SnapshotJson(_) | Part::Schema(_) | Part::Entity(..) | Part::ByEntity(..)
            )
        };
        self.leaf.aspect == Aspect::Answer && matches!(&self.node, Node::Part(_, p) if cheap(p))
    }

    /// Whether it is the answer itself: then its bytes are a function of its key.
    pub fn is_answer(&self) -> bool {
        self.leaf.aspect == Aspect::Answer
    }

    /// Whether all it depends on is fixed by its path, so that sizes are worth being exact before
    /// it is opened.
    pub fn is_in_commit(&self) -> bool {
        match &self.node {
            Node::Part(place, _) => place.is_fixed(),
            Node::Result(super::node::Scope::Snapshot(place), ..) => place.is_fixed(),
            Node::DiffFile(..) => {
                matches!(&self.pins, Pins::Difference(compared) if compared.is_fixed())
            }
            Node::Result(super::node::Scope::Pin(_), ..) => true,
            _ => false,
        }
    }

    /// The path of the answer that this is, or is about.
    pub fn answer_path(&self) -> String {
        let path = self.node.path();
        match self.leaf.aspect {
            Aspect::Answer | Aspect::Explain => path,
            Aspect::Error | Aspect::ExplainError => path.trim_end_matches(".err").to_owned(),
            Aspect::Meta => path.trim_end_matches(".meta").to_owned(),
            Aspect::Wait => path.trim_end_matches(".wait").to_owned(),
        }
    }
}

impl Tree {
    /// Makes the answer that the work is, or is about.
    pub fn render(&self, work: &Work, cancel: &Cancel) -> Result<Rendered> {
        self.render_within(work, &self.limits, cancel)
    }

    /// Makes it within limits of its own.
    pub fn render_within(&self, work: &Work, limits: &Limits, cancel: &Cancel) -> Result<Rendered> {
        if limits.expected_rows < u64::MAX && !self.is_near(work, limits.expected_rows) {
            return Err(costly());
        }
        let (started, before) = (Instant::now(), self.fetched(work));
        let mut out = Spool::new(limits.bytes, cancel.clone());
        let (rows, warnings) = match &work.pins {
            Pins::Plan(Err(failure)) => return Err(failure.clone()),
            Pins::Plan(Ok(plan)) => ask(plan, work.leaf, limits, cancel, &mut out)?,
            Pins::Difference(compared) => {
                (Some(compared.write(work.leaf.format, cancel, &mut out)?), Vec::new())
            }
            Pins::Moment(pinned) => {
                (self.write_part(&pinned.0, &pinned.1, work, cancel, &mut out)?, Vec::new())
            }
        };
        let content = out.finish()?;
        let fetched = self.fetched(work).saturating_sub(before);
        Ok(Rendered { content, rows, warnings, took: started.elapsed(), fetched })
    }

    /// How many nodes were fetched so far of the stores that a work reads.
    fn fetched(&self, work: &Work) -> u64 {
        let mut names: Vec<&str> = match &work.pins {
            Pins::Moment(pinned) => vec![&pinned.0.name],
            Pins::Difference(compared) => vec![&compared.mounted.name],
            Pins::Plan(Ok(plan)) => plan.sources.iter().map(|p| p.store.as_str()).collect(),
            Pins::Plan(Err(_)) => Vec::new(),
        };
        names.sort_unstable();
        names.dedup();
        let stores = names.iter().filter_map(|name| self.stores.get(*name));
        stores.map(|mounted| mounted.source.fetched()).sum()
    }

    /// Whether no more facts than so many are to be read, as far as can be told without planning a
    /// query: that is looked at when it was planned.
    fn is_near(&self, work: &Work, most: u64) -> bool {
        let facts = match (&work.pins, &work.node) {
            (Pins::Plan(_), _) => return true,
            (Pins::Difference(compared), _) => return compared.is_near(),
            (Pins::Moment(pinned), Node::Part(_, Part::Table(ns, _))) => {
                let db = &pinned.1.db;
                by::namespace(db, ns).and_then(|ns| render::table_facts(db, &ns)).ok()
            }
            (Pins::Moment(pinned), _) => {
                let everything = KeyRange::prefix(None, None, None);
                pinned.1.db.estimate(Order::Eavt, &everything).ok()
            }
        };
        facts.is_some_and(|facts| facts <= most)
    }

    /// What a file *about* an answer says, given how making the answer ended.
    pub fn about(&self, work: &Work, ended: &Result<Rendered>) -> Content {
        let text = match (work.leaf.aspect, ended) {
            (Aspect::Explain, Ok(rendered)) => return rendered.content.clone(),
            (Aspect::Error | Aspect::ExplainError, Err(failure)) => failure.text(),
            (Aspect::Error | Aspect::ExplainError, Ok(rendered)) => {
                rendered.warnings.iter().map(|warning| format!("warning: {warning}\n")).collect()
            }
            (Aspect::Answer | Aspect::Wait | Aspect::Explain, _) => String::new(),
            (Aspect::Meta, ended) => self.meta(work, ended),
        };
        Content::of(text.as_bytes())
    }

    fn write_part(
        &self,
        mounted: &Mounted,
        moment: &Moment,
        work: &Work,
        cancel: &Cancel,
        out: &mut Spool,
    ) -> Result<Option<u64>> {
        let db = &moment.db;
        let format = work.leaf.format;
        let Node::Part(place, part) = &work.node else {
            return Err(Failure::not_found(work.node.path()));
        };
        let entity = |e| {
            let text = render::entity(db, e, format)?;
            text.ok_or_else(|| Failure::not_found(format!("entity {e} has no facts here")))
        };
        let text = match part {
            Part::SnapshotJson(_) => {
                let branch = if let At::Branch(b) = &place.at { Some(&**b) } else { None };
                render::snapshot_json(mounted, branch, moment)?
            }
            Part::Schema(_) => render::schema(db, format, cancel)?,
            Part::Entity(e, _) => entity(*e)?,
            Part::ByEntity(key, _) => match by::entities(db, key)?.1.first() {
                Some(e) => entity(*e)?,
                None => return Err(Failure::not_found("no entity has this value")),
            },
            Part::Table(ns, _) => {
                let ns = by::namespace(db, ns)?;
                return render::table(db, &ns, format, out).map(Some);
            }
            Part::Datoms(_) => return render::datoms(db, format, out).map(Some),
            _ => return Err(Failure::not_found(work.node.path())),
        };
        out.text().push_str(&text);
        Ok(None)
    }
}

fn ask(
    plan: &Plan,
    leaf: Leaf,
    limits: &Limits,
    cancel: &Cancel,
    out: &mut Spool,
) -> Result<(Option<u64>, Vec<String>)> {
    let answer = plan.question.answer(limits, cancel)?;
    if matches!(leaf.aspect, Aspect::Explain | Aspect::ExplainError) {
        out.text().push_str(&answer.explain.to_string());
        return Ok((None, answer.warnings));
    }
    let rows = &mut |row: &mut dyn FnMut(&[Value]) -> Result<()>| answer.each(row);
    let count = render::write_rows(leaf.format, answer.layout.clone(), out, rows)?;
    Ok((Some(count), answer.warnings))
}
