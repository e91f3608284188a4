//! The log from its first commit: each made on the one before, each id computed anew.
//!
//! **Invariant:** memory is a few segments, and sums for each attribute at each commit up to which
//! some head has trees: never the datoms. What several heads share of the log is read once.

use super::Findings;
use super::head::Named;
use super::sums::{ByAttribute, Sum};
use crate::commit::{FormatError, Frame, Segment, SegmentRef, log_name};
use crate::conn::{LogPlace, Place, commit_of_row, commit_row};
use crate::hash::NodeHash;
use crate::id::{AttrId, CommitId, T, Tx};
use crate::index::{Direction, NodesError, Row, RowScan};
use crate::schema::Schema;
use crate::store::{BoxFuture, Fetch, StoreError, join_all};
use crate::value::Uuid;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How many segments are read at once.
const AHEAD: usize = 16;

/// What the log said up to a commit.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    /// Facts.
    pub(super) said: ByAttribute,
    /// The rows that COMMITS must have.
    pub(super) rows: Sum,
    pub(super) schema: Schema,
    /// Attributes whose past may have been dropped.
    pub(super) no_history: BTreeSet<AttrId>,
    /// The last commit, and its frame without datoms.
    pub(super) last: Option<(CommitId, Frame)>,
    /// Datoms.
    pub(super) datoms: u64,
}

impl State {
    /// The last commit.
    pub(super) fn commit(&self) -> Option<CommitId> {
        self.last.as_ref().map(|(id, _)| *id)
    }

    /// With the next transaction.
    pub(super) fn say(&mut self, id: CommitId, frame: &Frame) -> Result<(), FormatError> {
        frame.follows(id, self.commit())?;
        if self.last.as_ref().is_some_and(|(_, last)| last.instant_ms >= frame.instant_ms) {
            let (found, expected) = (format!("the instant of {id}"), "a later one".to_owned());
            return Err(FormatError::Another { found, expected });
        }
        self.schema = frame.schema_after(&self.schema)?;
        if frame.schema.is_some() {
            let without = self.schema.attributes().filter(|a| a.no_history).map(|a| a.id);
            self.no_history.extend(without);
        }
        self.said.say(&frame.datoms);
        self.datoms += frame.datoms.len() as u64;
        let without_datoms = Frame { datoms: Default::default(), ..frame.clone() };
        self.last = Some((id, without_datoms));
        Ok(())
    }
}

/// Reads logs.
#[derive(Debug)]
pub(super) struct Logs<'a> {
    place: &'a Place,
    /// The databases whose segments may be here: this one, and those it was forked from.
    databases: &'a [Uuid],
    /// The commits where trees end.
    pub(super) wanted: BTreeSet<CommitId>,
    saved: BTreeMap<CommitId, Arc<State>>,
    /// All segments that were found whole.
    pub(super) whole: BTreeMap<u128, (NodeHash, u64)>,
    /// All that were referred to.
    pub(super) reached: BTreeSet<u128>,
    /// Transactions of which datoms were erased, and how many.
    pub(super) purged: BTreeMap<Tx, u64>,
    /// Transactions that were read.
    pub(super) commits: u64,
    /// Bytes that were read.
    pub(super) bytes: u64,
}

/// The rows of COMMITS for one segment.
type Rows = (u128, Vec<(T, Vec<u8>)>);

impl<'a> Logs<'a> {
    pub(super) fn new(place: &'a Place, databases: &'a [Uuid]) -> Self {
        let (wanted, saved, whole) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
        let (reached, purged) = (BTreeSet::new(), BTreeMap::new());
        Self { place, databases, wanted, saved, whole, reached, purged, commits: 0, bytes: 0 }
    }

    /// What the log says up to where the trees of a head end; `rows` is what its COMMITS holds.
    /// `None`, and a finding, if it cannot be read.
    pub(super) async fn flushed(
        &mut self,
        named: &Named,
        rows: Sum,
        found: &mut Findings<'_>,
    ) -> Result<Option<Arc<State>>, StoreError> {
        if let Some(known) = named.flushed.and_then(|id| self.saved.get(&id))
            && known.rows == rows
        {
            return Ok(Some(known.clone()));
        }
        let mut state = State::default();
        state.schema.flexibility = named.flexibility;
        let mut scan =
            RowScan::new(named.head.base.commits.as_ref(), &[], None, Direction::Forward);
        let mut pending: Option<Row> = None;
        loop {
            let groups = match self.groups(&mut scan, &mut pending) {
                Ok(groups) => groups,
                Err(error) => {
                    found.nodes(&named.object, error)?;
                    return Ok(None);
                }
            };
            if groups.is_empty() {
                break;
            }
            if !self.replay(&groups, &mut state, found).await? {
                return Ok(None);
            }
            found.step("log", self.commits, None, self.bytes);
        }
        if state.commit().map_or(T(0), |commit| commit.t) != named.head.base.flushed {
            let flushed = named.head.base.flushed;
            found.add(&named.object, format!("COMMITS does not end at {flushed}"));
            return Ok(None);
        }
        Ok(Some(Arc::new(state)))
    }

    /// The rows of the next segments.
    fn groups(
        &self,
        scan: &mut RowScan,
        pending: &mut Option<Row>,
    ) -> Result<Vec<Rows>, NodesError> {
        let mut groups: Vec<Rows> = Vec::new();
        loop {
            let next = match pending.take() {
                Some(row) => Some(row),
                None => scan.next(self.place.nodes.as_ref())?,
            };
            let Some((key, value)) = next else { return Ok(groups) };
            let t = T(<[u8; 8]>::try_from(&key[..]).map_or(0, u64::from_be_bytes));
            let segment = commit_of_row(t, &value).map_or(0, |(_, place)| place.segment);
            let count = groups.len();
            match groups.last_mut() {
                Some((last, rows)) if *last == segment => rows.push((t, value)),
                _ if count == AHEAD => {
                    *pending = Some((key, value));
                    return Ok(groups);
                }
                _ => groups.push((segment, vec![(t, value)])),
            }
        }
    }

    /// Reads these segments and says what they say; `false` if that cannot be.
    async fn replay(
        &mut self,
        groups: &[Rows],
        state: &mut State,
        found: &mut Findings<'_>,
    ) -> Result<bool, StoreError> {
        let names: Vec<u128> = groups.iter().map(|(name, _)| *name).collect();
        for ((name, rows), read) in groups.iter().zip(self.read(&names).await) {
            let key = log_name(*name);
            let segment = match read {
                Ok(bytes) => self.open(*name, &bytes),
                Err(error) => {
                    found.unreadable(&key, error)?;
                    return Ok(false);
                }
            };
            let said = segment.and_then(|segment| {
                rows.iter().try_for_each(|row| self.row(*name, &segment, row, state))
            });
            if let Err(error) = said {
                found.add(&key, error.to_string());
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The transaction of one row of COMMITS.
    fn row(
        &mut self,
        name: u128,
        segment: &Segment,
        (t, row): &(T, Vec<u8>),
        state: &mut State,
    ) -> Result<(), FormatError> {
        let index = t.0.checked_sub(segment.first.0).and_then(|i| usize::try_from(i).ok());
        let another = |found: String, expected: String| FormatError::Another { found, expected };
        let frame = segment.frame(*t).zip(index);
        let Some((bytes, index)) = frame else {
            return Err(another("other transactions".into(), format!("that of t {t}")));
        };
        let (id, frame) = Frame::decode(bytes)?;
        let range = segment.places().swap_remove(index);
        let expected = commit_row(id, &frame, &LogPlace::new(name, range, &frame));
        if expected != *row {
            return Err(another(id.to_string(), format!("what COMMITS has for t {t}")));
        }
        self.note(&frame);
        state.say(id, &frame)?;
        state.rows += Sum::of(&[&crate::conn::commit_key(*t), row]);
        self.commits += 1;
        if self.wanted.contains(&id) {
            self.saved.insert(id, Arc::new(state.clone()));
        }
        Ok(())
    }

    /// Counts what was erased of a transaction.
    pub(super) fn note(&mut self, frame: &Frame) {
        if let Some(purged) = &frame.purged {
            self.purged.insert(frame.tx, purged.datoms);
        }
    }

    /// The transactions that a head has in segments and in no tree: as many as its novelty has, and
    /// so in memory. `None`, and a finding, if they cannot be read.
    pub(super) async fn recent(
        &mut self,
        segments: &[SegmentRef],
        found: &mut Findings<'_>,
    ) -> Result<Option<Vec<(CommitId, Frame)>>, StoreError> {
        let mut frames = Vec::new();
        for some in segments.chunks(AHEAD) {
            let names: Vec<u128> = some.iter().map(|segment| segment.name).collect();
            for (expected, read) in some.iter().zip(self.read(&names).await) {
                let key = log_name(expected.name);
                let bytes = match read {
                    Ok(bytes) => bytes,
                    Err(error) => {
                        found.unreadable(&key, error)?;
                        return Ok(None);
                    }
                };
                match self.expected(expected, &bytes) {
                    Ok(some) => frames.extend(some),
                    Err(error) => {
                        found.add(&key, error.to_string());
                        return Ok(None);
                    }
                }
            }
        }
        Ok(Some(frames))
    }

    fn expected(
        &mut self,
        expected: &SegmentRef,
        bytes: &Bytes,
    ) -> Result<Vec<(CommitId, Frame)>, FormatError> {
        if NodeHash::of(bytes) != expected.hash || bytes.len() as u64 != expected.len {
            return Err(FormatError::Hash);
        }
        let segment = self.open(expected.name, bytes)?;
        let last = T((segment.first.0 + segment.frames.len() as u64).saturating_sub(1));
        // What comes after is of another branch.
        if segment.first != expected.first || last < expected.last {
            let found = format!("t {} to {last}", segment.first);
            let expected = format!("t {} to {}", expected.first, expected.last);
            return Err(FormatError::Another { found, expected });
        }
        let count = (expected.last.0 + 1).saturating_sub(expected.first.0);
        let own = segment.frames.iter().take(usize::try_from(count).unwrap_or(usize::MAX));
        own.map(|frame| Frame::decode(frame)).collect()
    }

    async fn read(&mut self, names: &[u128]) -> Vec<Result<Bytes, StoreError>> {
        self.reached.extend(names);
        let fetch = |name: &u128| Fetch { key: log_name(*name), range: None };
        let fetches: Vec<Fetch> = names.iter().map(fetch).collect();
        let store = &self.place.store;
        let gets: Vec<BoxFuture<'_, _>> = fetches.iter().map(|fetch| store.get(fetch)).collect();
        let read = join_all(gets).await;
        self.bytes += read.iter().flatten().map(|bytes| bytes.len() as u64).sum::<u64>();
        read
    }

    fn open(&mut self, name: u128, bytes: &Bytes) -> Result<Segment, FormatError> {
        let segment = Segment::decode(bytes)?;
        super::belongs(segment.database, self.databases)?;
        self.whole.insert(name, (NodeHash::of(bytes), bytes.len() as u64));
        Ok(segment)
    }
}
