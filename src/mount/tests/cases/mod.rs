//! The cases, by family.

mod end;
mod read;
mod stop;
mod stuck;
mod write;

/// A case and its name.
pub type Case = (&'static str, fn());

pub const ALL: &[Case] = &[
    ("read::tools_give_the_same_bytes", read::tools_give_the_same_bytes),
    ("read::the_join_of_two_stores", read::the_join_of_two_stores),
    ("read::the_past", read::the_past),
    ("read::find_and_grep_end", read::find_and_grep_end),
    ("read::many_entities", read::many_entities),
    ("write::shells_are_told", write::shells_are_told),
    ("write::forms_of_one_write", write::forms_of_one_write),
    ("write::reports_come_back", write::reports_come_back),
    ("write::editors_save_queries", write::editors_save_queries),
    ("write::children_share_a_file", write::children_share_a_file),
    ("write::what_is_no_form", write::what_is_no_form),
    ("write::all_else_refuses", write::all_else_refuses),
    ("write::two_mounts", write::two_mounts),
    ("stop::signals_that_end", stop::signals_that_end),
    ("stop::signals_that_do_not", stop::signals_that_do_not),
    ("stuck::all_else_goes_on", stuck::all_else_goes_on),
    ("stuck::unmounting_ends", stuck::unmounting_ends),
    ("stuck::a_server_that_stands_still", stuck::a_server_that_stands_still),
    ("end::unmount_idle_and_busy", end::unmount_idle_and_busy),
    ("end::terminated", end::terminated),
    ("end::killed", end::killed),
    ("end::dead_mounts_are_cleared", end::dead_mounts_are_cleared),
    ("end::clear_errors", end::clear_errors),
];
