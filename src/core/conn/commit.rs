//! A group of transactions into the head: prepare, write what a spill needs, swap, and find out
//! what became of it.
//!
//! **Invariant:** `done` is answered after the swap is known to have happened; `refuse` and `Busy`
//! only where nothing of the transaction can be in the head, now or later. A refusal is made on a
//! head that was just seen to be the newest, or on one that the swap of its group proved to be.
//! What follows in a sequence is never committed without what comes before.

use super::backfill::Backfilled;
use super::build::{Draft, Group, Known, Plan};
use super::queue::{Failure, Job};
use super::settle::{Attempt, Settled};
use super::{Conn, ConnError, Flush, Seen, rules};
use crate::db::TxReport;
use crate::id::CommitId;
use crate::store::{Expect, StoreError, Swap};
use std::collections::BTreeMap;

impl Conn {
    /// Commits a group and answers each of it; `losses` is how often others were faster already.
    pub(super) async fn commit_group(&self, mut jobs: Vec<Box<dyn Job>>, mut losses: u32) {
        let begun = self.now_ms();
        let (mut fresh, mut flushed) = (false, false);
        let mut backfilled = Backfilled::default();
        if jobs.is_empty() {
            return;
        }
        loop {
            let seen = self.seen();
            if let Err(error) = self.check_open(&seen.opened.head) {
                return fail_all(jobs, &Failure::Failed(error));
            }
            let group = self.prepare(&seen.opened, jobs, &mut backfilled).await;
            if group.drafts.is_empty() {
                if !group.refused.is_empty() && !fresh {
                    fresh = true;
                    match self.newest().await {
                        Ok(newest) if newest.version == seen.version => {}
                        Ok(_) => {
                            jobs = group.into_jobs();
                            continue;
                        }
                        Err(error) => return group.fail(&Failure::Failed(error)),
                    }
                }
                return self.acknowledge(&seen, group).await;
            }
            let plan = match self.plan(&seen.opened, &group.drafts) {
                Ok(plan) => plan,
                // Together they are too much for one head: one by one they may not be.
                Err(ConnError::TooLarge(_)) if group.size() > 1 => {
                    return self.commit_one_by_one(group).await;
                }
                // Alone it may be too much beside the novelty that is there.
                Err(ConnError::TooLarge(_))
                    if !flushed && self.inner.options.flush != Flush::Asked =>
                {
                    flushed = true;
                    // One that runs elsewhere makes room, too, and never waits for a group.
                    self.inner.flushing.ended().await;
                    match self.flush().await {
                        Ok(_) => {
                            jobs = group.into_jobs();
                            continue;
                        }
                        Err(error) => return group.fail(&Failure::Failed(error)),
                    }
                }
                Err(error) => return group.fail(&Failure::Failed(error)),
            };
            match self.swap_in(&seen, plan, group.tip()).await {
                Swapped::Happened(seen) => {
                    self.note_won();
                    return self.acknowledge(&seen, group).await;
                }
                Swapped::Moved => {
                    self.note_passed(&seen.opened.head);
                }
                Swapped::Failed(error) => return group.fail(&Failure::Failed(error)),
                Swapped::Unknown(why) => return unknown(group, &why),
            }
            losses += 1;
            let waited_ms = (self.now_ms() - begun).max(0) as u64;
            if waited_ms >= self.inner.options.limit_ms && losses >= self.chances() {
                return group.fail(&Failure::Busy { waited_ms });
            }
            (fresh, jobs) = (true, group.into_jobs());
            losses = self.take_turn(losses).await;
        }
    }

    async fn commit_one_by_one(&self, group: Group) {
        for job in group.into_jobs() {
            let losses = self.take_turn(0).await;
            Box::pin(self.commit_group(vec![job], losses)).await;
        }
    }

    /// Writes what a head needs to be there, then swaps it in.
    async fn swap_in(&self, seen: &Seen, plan: Plan, commit: Option<CommitId>) -> Swapped {
        if rules().objects_first
            && let Err(error) = self.put_all(&plan.objects).await
        {
            return Swapped::Failed(error.into());
        }
        let (place, name) = (&self.inner.place, &self.inner.head);
        let nonce = plan.opened.head.nonce;
        let replaced = match self.replaced(seen).await {
            Ok(replaced) => replaced,
            Err(error) => return Swapped::Failed(error),
        };
        self.note_swap();
        let expect = Expect::Version(replaced.version.clone());
        let objects = if rules().objects_first { Vec::new() } else { plan.objects };
        let why = match place.store.cas_ref(name, expect, plan.bytes).await {
            Err(error) => return Swapped::Failed(error.into()),
            Ok(Swap::Swapped(version)) => {
                // Nothing is left to write, where rules hold.
                let _ = self.put_all(&objects).await;
                let seen = Seen { opened: plan.opened, version };
                self.remember(&seen);
                return Swapped::Happened(Box::new(seen));
            }
            Ok(Swap::Lost) if !rules().read_back => {
                return match self.newest().await {
                    Ok(_) => Swapped::Moved,
                    Err(error) => Swapped::Failed(error),
                };
            }
            Ok(Swap::Lost) => "the store says that another writer was first".to_owned(),
            Ok(Swap::Unknown(error)) => error.to_string(),
        };
        let attempt = Attempt { replaces: &replaced.opened.head, nonce, commit, why };
        match self.settle(attempt).await {
            Settled::Happened(seen) => Swapped::Happened(seen),
            Settled::Moved => Swapped::Moved,
            Settled::Unknown(why) => Swapped::Unknown(why),
        }
    }

    /// The head that a swap is to replace.
    async fn replaced(&self, seen: &Seen) -> Result<Seen, ConnError> {
        if rules().expect_read { Ok(seen.clone()) } else { self.newest().await }
    }

    /// Writes objects, all at once.
    pub(super) async fn put_all(
        &self,
        objects: &[(String, bytes::Bytes)],
    ) -> Result<(), StoreError> {
        self.inner.place.put_all(objects).await
    }

    /// Answers a group that is in the head. What it refused rests on the transactions before it,
    /// which are in it.
    async fn acknowledge(&self, seen: &Seen, group: Group) {
        group.refused.into_iter().for_each(|job| job.refuse());
        let mut reports = BTreeMap::new();
        for draft in group.drafts {
            let (report, job) = report(draft);
            if !group.known.is_empty() {
                reports.insert(report.tx, report.clone());
            }
            job.done(report);
        }
        for Known { job, tx, db } in group.known {
            let report = match reports.get(&tx) {
                Some(first) => Ok(TxReport { already: true, ..first.clone() }),
                None => self.past_report(seen, tx, &db).await,
            };
            match report {
                Ok(report) => job.done(report),
                Err(error) => job.fail(Failure::Failed(error)),
            }
        }
    }

    /// The report of a transaction that was committed before, from the log.
    async fn past_report(
        &self,
        seen: &Seen,
        tx: crate::id::Tx,
        db: &crate::db::Db,
    ) -> Result<TxReport, ConnError> {
        let mut seen = seen.clone();
        let (commit, frame) = loop {
            match self.inner.place.frame(&seen.opened, tx.t()).await {
                Ok(found) => break found,
                // What this head names may have been collected since.
                Err(error) => match self.newest().await? {
                    newest if newest.version == seen.version => return Err(error),
                    newest => seen = newest,
                },
            }
        };
        Ok(TxReport {
            db_before: db.as_of(crate::id::T(tx.t().0.saturating_sub(1))),
            db_after: db.as_of(tx.t()),
            tx: frame.tx,
            commit: Some(commit),
            instant_ms: frame.instant_ms,
            datoms: frame.datoms().collect(),
            tempids: BTreeMap::new(),
            already: true,
        })
    }
}

/// What became of a group.
enum Swapped {
    Happened(Box<Seen>),
    Moved,
    Failed(ConnError),
    Unknown(String),
}

fn report(draft: Draft) -> (TxReport, Box<dyn Job>) {
    let Draft { job, before, after, prepared, commit, .. } = draft;
    let report = TxReport {
        db_before: before,
        db_after: after,
        tx: prepared.tx,
        commit: Some(commit),
        instant_ms: prepared.instant_ms,
        datoms: prepared.datoms,
        tempids: prepared.tempids,
        already: false,
    };
    (report, job)
}

fn fail_all(jobs: Vec<Box<dyn Job>>, failure: &Failure) {
    jobs.into_iter().for_each(|job| job.fail(failure.clone()));
}

fn unknown(group: Group, why: &str) {
    for draft in group.drafts {
        let (commit, id, why) = (draft.commit, draft.id(), why.to_owned());
        draft.job.fail(Failure::Unknown { commit, id, why });
    }
    // These may rest on a transaction of the group; a refusal, too, but nothing of it is anywhere.
    group.refused.into_iter().for_each(|job| job.refuse());
    for Known { job, .. } in group.known {
        drop(job);
    }
}
