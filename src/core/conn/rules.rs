//! The rules that the protocol stands on, by name.
//!
//! **Invariant:** outside of tests all of them hold, always: the compiler removes the questions.
//! The simulation switches them off one by one, to see that each is needed.

/// What is done, where leaving it out would look harmless.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Look at the head before believing that a swap was lost.
    pub(super) read_back: bool,
    /// Swap the head once more before believing that an unanswered swap will never happen.
    pub(super) bump: bool,
    /// Make every attempt unlike every other.
    pub(super) nonce: bool,
    /// Swap a head in only after all that it names is written.
    pub(super) objects_first: bool,
    /// Swap against the head that was read, not against the one that is there.
    pub(super) expect_read: bool,
    /// Apply a flush only to the trees that it was made from.
    pub(super) same_trees: bool,
    /// Apply a flush only to a head that no collection has passed since.
    pub(super) same_generation: bool,
    /// Close the head of a branch before its name goes.
    pub(super) close_first: bool,
    /// Begin a branch or a tag only at a head that no finished collection has passed since.
    pub(super) living_source: bool,
    /// Write a snapshot anew when a collection began before it was listed.
    pub(super) fresh_snapshot: bool,
    /// List what there is before the collection is announced.
    pub(super) list_first: bool,
    /// Swap the generation of a collection into every head.
    pub(super) renew_heads: bool,
    /// Mark again from a head that moved meanwhile.
    pub(super) mark_again: bool,
    /// Look for new branches and tags before the marks are complete.
    pub(super) late_names: bool,
    /// Stop a collection when another one has begun.
    pub(super) supersede: bool,
    /// Leave what nothing refers to alone for the time of grace.
    pub(super) grace: bool,
    /// Announce an erasure as a collection is: what is made from a head of before is refused.
    pub(super) announce_erasure: bool,
    /// Erase from branches and tags that came meanwhile, too.
    pub(super) erase_late_names: bool,
}

impl Rules {
    /// As it should be.
    pub(super) const ALL: Self = Self {
        read_back: true,
        bump: true,
        nonce: true,
        objects_first: true,
        expect_read: true,
        same_trees: true,
        same_generation: true,
        close_first: true,
        living_source: true,
        fresh_snapshot: true,
        list_first: true,
        renew_heads: true,
        mark_again: true,
        late_names: true,
        supersede: true,
        grace: true,
        announce_erasure: true,
        erase_late_names: true,
    };
}

/// The rules that hold.
#[cfg(not(test))]
pub(super) const fn rules() -> Rules {
    Rules::ALL
}

#[cfg(test)]
thread_local! {
    static RULES: std::cell::Cell<Rules> = const { std::cell::Cell::new(Rules::ALL) };
}

/// The rules that hold.
#[cfg(test)]
pub(super) fn rules() -> Rules {
    RULES.get()
}

/// Lets other rules hold on this thread while something runs.
#[cfg(test)]
pub(super) fn with_rules<T>(rules: Rules, run: impl FnOnce() -> T) -> T {
    let before = RULES.replace(rules);
    let result = run();
    RULES.set(before);
    result
}
