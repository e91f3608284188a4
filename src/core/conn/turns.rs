//! Whose turn it is: when a connection tries to swap the head, beside others that do.
//!
//! The swap alone decides who is first, and whoever swapped last knows the head already, and would
//! win again and again. So whoever lost to another writer stands back after a turn of its own: for
//! longer than those that lost wait before they try again, and they wait for less the more often
//! they lost. Where the store has a pace a turn is one swap, else [`TURN_MS`] of them.
//!
//! **Invariant:** where no other writer was seen, nobody waits but for the store's pace. Nothing
//! rests on this: it says when to try, not who may.

use super::settle::pause_ms;
use super::{Conn, ConnError, Place};
use crate::commit::Head;
use crate::store::Host;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How long a connection goes on beside others, where the store has no pace.
const TURN_MS: u64 = 50;
/// The longest that how long a swap takes counts for.
const SLOW_MS: u64 = 250;
/// How many turns end by standing back while nobody else is seen: others may have had no luck.
const COURTESIES: u32 = 4;
/// After how many losses one tries a little sooner than the store's pace says, which is about so.
const PATIENT: u32 = 3;

/// What one connection knows of the turns of a branch.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// When the head was swapped last, as far as is known: from here, or by another.
    moved_ms: Option<i64>,
    /// When a swap was sent from here that is not known to be lost.
    sent_ms: Option<i64>,
    /// Until when to stand back.
    due_ms: Option<i64>,
    /// When the turn began.
    began_ms: Option<i64>,
    /// Turns that still end by standing back.
    courtesies: u32,
    /// How long a swap takes, about.
    takes_ms: u64,
}

impl State {
    /// The time that all waiting is a part of.
    fn unit_ms(&self, pace_ms: u64) -> u64 {
        TURN_MS.max(pace_ms).max(4 * self.takes_ms.min(SLOW_MS))
    }

    /// When to try next, after so many losses.
    fn next_ms(&self, now_ms: i64, losses: u32, pace_ms: u64, host: &dyn Host) -> i64 {
        let unit_ms = self.unit_ms(pace_ms);
        let sooner_ms = if losses > PATIENT { unit_ms / 8 } else { 0 };
        let pace_ms = pace_ms.saturating_sub(sooner_ms);
        let paced = |last_ms: i64| last_ms.saturating_add_unsigned(pace_ms).max(now_ms);
        let last_ms = self.moved_ms.max(self.sent_ms).filter(|_| pace_ms > 0);
        let free_ms = last_ms.map_or(now_ms, paced);
        if losses == 0 {
            return free_ms.max(self.due_ms.unwrap_or(free_ms));
        }
        let most_ms = ((unit_ms / 2) >> (losses - 1).min(6)).max(unit_ms / 16).max(1);
        free_ms.saturating_add_unsigned(1 + below(host, most_ms))
    }
}

impl Turns {
    fn locked(&self) -> MutexGuard<'_, State> {
        // No code that holds it can panic between two changes that belong together.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A swap of the head is sent.
    fn sent(&self, now_ms: i64) {
        self.locked().sent_ms = Some(now_ms);
    }

    /// It put a transaction into the head.
    fn won(&self, now_ms: i64, pace_ms: u64, host: &dyn Host) {
        let mut state = self.locked();
        let sent_ms = state.sent_ms.take().unwrap_or(now_ms);
        state.moved_ms = Some(sent_ms);
        let took_ms = now_ms.saturating_sub(sent_ms).max(0).unsigned_abs();
        (state.takes_ms, state.due_ms) = ((3 * state.takes_ms + took_ms.min(SLOW_MS)) / 4, None);
        if state.courtesies == 0 {
            return;
        }
        let began_ms = *state.began_ms.get_or_insert(sent_ms);
        if pace_ms > 0 || now_ms.saturating_sub(began_ms) >= TURN_MS as i64 {
            // Those that lost wait for half a unit at most, and then read the head and swap it.
            let (half_ms, swap_ms) = (state.unit_ms(pace_ms) / 2, 2 * state.takes_ms.min(SLOW_MS));
            let free_ms = if pace_ms > 0 { sent_ms } else { now_ms };
            let stand_ms = pace_ms + half_ms + below(host, half_ms.max(1)) + swap_ms;
            state.due_ms = Some(free_ms.saturating_add_unsigned(stand_ms));
            (state.began_ms, state.courtesies) = (None, state.courtesies - 1);
        }
    }

    /// Another writer's transaction is in the head, by its clock since `instant_ms`.
    fn passed(&self, now_ms: i64, instant_ms: Option<i64>, pace_ms: u64) {
        let mut state = self.locked();
        // Not sooner than the store allows, and not later than now, whatever that clock says.
        let least_ms = match state.moved_ms {
            Some(moved_ms) => moved_ms.saturating_add_unsigned(pace_ms),
            None => now_ms.saturating_sub_unsigned(pace_ms),
        };
        let moved_ms = instant_ms.unwrap_or(now_ms).max(least_ms).min(now_ms);
        (state.moved_ms, state.sent_ms) = (Some(moved_ms), None);
        (state.due_ms, state.began_ms, state.courtesies) = (None, None, COURTESIES);
    }
}

impl Conn {
    /// Waits until the head is best swapped from here, after so many `losses` in a row; how many
    /// they are then. Where a swap is dear, a head that moved meanwhile is one, too.
    pub(super) async fn take_turn(&self, mut losses: u32) -> u32 {
        let (host, turns) = (self.inner.place.host.as_ref(), &self.inner.turns);
        let pace_ms = self.inner.place.store.pace_ms();
        loop {
            let (now_ms, is_beside) = (self.now_ms(), turns.locked().courtesies > 0);
            let (next_ms, unit_ms) = {
                let state = turns.locked();
                (state.next_ms(now_ms, losses, pace_ms, host), state.unit_ms(pace_ms))
            };
            let left_ms = next_ms.saturating_sub(now_ms).max(0).unsigned_abs();
            if left_ms > 0 {
                // A clock that was set back is no reason to wait for longer.
                host.sleep(left_ms.min(pace_ms + 2 * unit_ms)).await;
            }
            if pace_ms == 0 || !is_beside || losses >= self.chances() {
                return losses;
            }
            let before = self.seen();
            // What goes wrong here goes wrong with the swap, too.
            if self.newest().await.is_err() || !self.note_passed(&before.opened.head) {
                return losses;
            }
            losses += 1;
        }
    }

    /// How often others may be faster than a transaction at least: as many swaps as have their time
    /// within the limit, since where they are dear most of it is spent waiting.
    pub(super) fn chances(&self) -> u32 {
        let limit_ms = self.inner.options.limit_ms;
        let chances = limit_ms.checked_div(self.inner.place.store.pace_ms()).unwrap_or(0);
        u32::try_from(chances).unwrap_or(u32::MAX)
    }

    /// Notes that the head is being swapped.
    pub(super) fn note_swap(&self) {
        self.inner.turns.sent(self.now_ms());
    }

    /// Notes that a transaction of this connection is in the head.
    pub(super) fn note_won(&self) {
        let place = &self.inner.place;
        self.inner.turns.won(self.now_ms(), place.store.pace_ms(), place.host.as_ref());
    }

    /// Notes it if another writer's transaction came after this head; whether it did.
    pub(super) fn note_passed(&self, before: &Head) -> bool {
        let now = self.seen().opened.head;
        let is_passed = now.tip.commit != before.tip.commit;
        if is_passed {
            let pace_ms = self.inner.place.store.pace_ms();
            self.inner.turns.passed(self.now_ms(), now.tip.instant_ms, pace_ms);
        }
        is_passed
    }
}

impl Place {
    /// Waits until a head is best swapped that others move, after so many losses, by who only wants
    /// to change what it says beside its commits: those that commit do not see that somebody waits.
    pub(super) async fn stand_by(&self, name: &str, losses: u32) -> Result<(), ConnError> {
        let (host, pace_ms) = (self.host.as_ref(), self.store.pace_ms());
        if pace_ms == 0 {
            host.sleep(pause_ms(host, losses)).await;
            return Ok(());
        }
        let (head, _) = self.read_head(name).await?;
        let (turns, now_ms) = (Turns::default(), host.now_ms());
        turns.passed(now_ms, head.tip.instant_ms, pace_ms);
        let losses = losses.saturating_add(PATIENT);
        let next_ms = turns.locked().next_ms(now_ms, losses, pace_ms, host);
        host.sleep(next_ms.saturating_sub(now_ms).max(0).unsigned_abs()).await;
        Ok(())
    }
}

/// A random number.
fn below(host: &dyn Host, most: u64) -> u64 {
    (host.random() % u128::from(most.max(1))) as u64
}
