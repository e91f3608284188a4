//! Arithmetic: what becomes of longs, bigints, ratios and decimals.

use super::*;

/// Checks what an expression gives, printed.
fn gives(call: &str, expected: &str) {
    check_with(&format!("[:find ?r . :where [({call}) ?r]]"), &[], expected);
}

#[test]
fn what_comes_of_bigints_is_a_bigint() {
    for (call, expected) in [
        ("+ 1N 2", "3N"),
        ("- 3N 3", "0N"),
        ("- 3N", "-3N"),
        ("* 3N 3N", "9N"),
        ("inc 3N", "4N"),
        ("dec 3N", "2N"),
        ("quot 7N 2", "3N"),
        ("rem 7 2N", "1N"),
        ("mod -7N 2", "1N"),
        ("abs -3N", "3N"),
        ("/ 4N 2", "2N"),
        ("/ 4N 3", "4/3"),
        ("+ 9223372036854775807 1N", "9223372036854775808N"),
        ("+' 9223372036854775807 1", "9223372036854775808N"),
        ("+' 1 1", "2"),
        ("- 9223372036854775808N 1", "9223372036854775807N"),
        ("identity 3N", "3N"),
        ("max 3N 2", "3N"),
    ] {
        gives(call, expected);
    }
}

#[test]
fn longs_stay_longs_or_overflow() {
    for (call, expected) in [("+ 1 2", "3"), ("/ 4 2", "2"), ("/ 1 2", "1/2"), ("quot 7 2", "3")] {
        gives(call, expected);
    }
    for call in ["* 4611686018427387904 2", "- -9223372036854775808 1", "/ -9223372036854775808 -1"]
    {
        let error = ask(&format!("[:find ?r . :where [({call}) ?r]]"), &[]).unwrap_err();
        assert!(error.to_string().contains("integer overflow"), "{call}: {error}");
    }
}

#[test]
fn ratios_and_decimals() {
    for (call, expected) in [
        ("+ 1/2 1/2", "1N"),
        ("* 1/2 4", "2N"),
        ("quot 7/2 1", "3N"),
        ("rem 7/2 1", "1/2"),
        ("+ 1.50M 1", "2.50M"),
        ("quot 7.5M 2", "3.0M"),
        ("rem 7.5M 2", "1.5M"),
        ("mod -7.5M 2", "0.5M"),
        ("* 1/2 2.0", "2.0"),
    ] {
        let expected = if call == "* 1/2 2.0" { "1.0" } else { expected };
        gives(call, expected);
    }
}

#[test]
fn squares_of_a_bigint_go_on() {
    let clause = |n: usize| format!("[(* ?x{n} ?x{n}) ?x{}] ", n + 1);
    let clauses: String = (0..6).map(clause).collect();
    let query = format!("[:find ?x6 . :where [(ground 3N) ?x0] {clauses}]");
    check_with(&query, &[], "3433683820292512484657849089281N");
}

#[test]
fn bigints_join_longs_and_the_long_stays() {
    let schema = "{:n {:db/valueType :db.type/long :db/index true}
                   :big {:db/valueType :db.type/bigint :db/index true}}";
    let db = db_of(1, schema, &["[[1 :n 3] [1 :big 3] [2 :big 3] [2 :big 4] [3 :n 5]]"]);
    let db = [Input::Db(db)];
    check_with("[:find ?e ?x :where [?e :big ?x]]", &db, "#{[1 3N] [2 3N] [2 4N]}");
    check_with("[:find ?x :where [_ :big ?x] [_ :n ?x]]", &db, "#{[3]}");
    check_with("[:find ?e :where [?e :big ?x] [(ground 3) ?x]]", &db, "#{[1] [2]}");
    check_with("[:find ?x :where (or [_ :big ?x] [_ :n ?x])]", &db, "#{[3] [4N] [5]}");
    check_with("[:find ?x :where [_ :big ?x] (or [_ :n ?x] [(ground 7) ?x])]", &db, "#{[3]}");
    let rows = [db[0].clone(), edn("[[3N] [5N]]")];
    check_with("[:find ?x :in $ $r :where [_ :n ?x] [$r ?x]]", &rows, "#{[3] [5]}");
    check_with("[:find ?x :in $ $r :where [_ :big ?x] [$r ?x]]", &rows, "#{[3N]}");
    check_with("[:find (sum ?x) . :with ?e :where [?e :big ?x]]", &db, "10N");
    check_with("[:find (count ?x) . :where (or [_ :big ?x] [_ :n ?x])]", &db, "3");
}

#[test]
fn sums_do_not_depend_on_the_order_of_rows() {
    let sum = |rows: &str| ask("[:find (sum ?x) . :in [?x ...]]", &[edn(rows)]);
    let most = i64::MAX;
    let fits = sum(&format!("[{most} 1 -1 -5]")).unwrap();
    assert_eq!(fits.to_value(), Value::Long(most - 5));
    let error = sum(&format!("[{most} 1]")).unwrap_err();
    assert_eq!(error.to_string(), "sum: integer overflow, in (sum ?x) at line 1, column 8");
}
