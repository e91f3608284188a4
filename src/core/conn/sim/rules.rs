//! Each rule switched off, to see that it is needed: what the simulation then finds wrong is
//! printed with the seed.

use super::super::rules::Rules;
use super::{Plan, run_all};

/// Seeds within which it must be noticed.
const SEEDS: u64 = 200;
/// Seeds run at a time.
const STEP: usize = 8;

fn check_plan(what: &str, plan: Plan) {
    let noticed = (0..SEEDS).step_by(STEP).find_map(|from| run_all(from..from + 8, plan).1);
    let (seed, wrong) = noticed.unwrap_or_else(|| panic!("nobody notices: {what}"));
    println!("{what}: seed {seed}: {wrong}");
}

fn check(what: &str, off: fn(&mut Rules)) {
    let mut rules = Rules::ALL;
    off(&mut rules);
    check_plan(what, Plan { rules, ..Plan::ALL });
}

#[test]
fn ids_must_be_looked_for() {
    check_plan("ids are ignored", Plan { ids: false, ..Plan::ALL });
}

#[test]
fn a_moved_head_is_marked_again() {
    let rules = Rules { mark_again: false, ..Rules::ALL };
    let plan = Plan { rules, flushers: 6, stills: 12, ..Plan::ALL };
    check_plan("a moved head is not marked again", plan);
}

#[test]
fn readers_have_time() {
    let rules = Rules { grace: false, ..Rules::ALL };
    check_plan("no time of grace", Plan { rules, flushers: 6, stills: 12, ..Plan::ALL });
}

/// A rule of erasures, where several flush.
fn check_erasure(what: &str, rules: Rules) {
    check_plan(what, Plan { rules, purges: true, flushers: 4, ..Plan::ALL });
}

#[test]
fn an_erasure_is_announced() {
    let rules = Rules { announce_erasure: false, ..Rules::ALL };
    check_erasure("what was made from a head before an erasure is taken", rules);
}

#[test]
fn late_names_are_erased_too() {
    let rules = Rules { erase_late_names: false, ..Rules::ALL };
    check_erasure("names that came meanwhile keep what is erased", rules);
}

macro_rules! needed {
    ($($test:ident: $rule:ident, $what:expr;)*) => {
        $(
            #[test]
            fn $test() {
                check($what, |rules| rules.$rule = false);
            }
        )*
    };
}

needed! {
    a_lost_swap_must_be_read_back: read_back, "Lost is taken for lost";
    an_unanswered_swap_must_be_bumped: bump, "no bump";
    attempts_must_differ: nonce, "no nonce";
    a_head_is_swapped_after_its_objects: objects_first, "objects after the head";
    a_swap_expects_what_was_read: expect_read, "swapped against what is there";
    a_flush_applies_to_its_trees: same_trees, "a flush of other trees is applied";
    a_flush_applies_to_its_generation: same_generation, "a flush of an older generation is applied";
    a_branch_is_closed_before_its_name_goes: close_first, "a branch is deleted and not closed";
    a_name_begins_at_a_living_head: living_source, "a name begins at a head of an old generation";
    a_snapshot_is_of_its_generation: fresh_snapshot, "an old snapshot is listed";
    a_collection_lists_first: list_first, "listed after the marks";
    a_collection_moves_the_heads: renew_heads, "the generation is not swapped into heads";
    late_names_are_marked: late_names, "names that came meanwhile are not marked";
    one_collection_at_a_time: supersede, "an older collection goes on";
}
