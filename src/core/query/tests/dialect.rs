//! The forms of the dialect, one statement each.

use super::*;

#[test]
fn find_forms() {
    check(
        "[:find ?n :where [?e :name ?n]]",
        r#"#{["Ivan"] ["Nobody in particular"] ["Oleg"] ["Petr"]}"#,
    );
    check("[:find [?a ...] :where [_ :age ?a]]", "[15 37]");
    check("[:find [?n ?a] :where [?e :name ?n] [?e :age ?a]]", r#"["Ivan" 15]"#);
    check("[:find ?a . :where [[:name \"Petr\"] :age ?a]]", "37");
    check("[:find ?a . :where [[:name \"Nobody\"] :age ?a]]", "nil");
    check("{:find [?a] :where [[_ :age ?a]] :limit 1}", "#{[15]}");
    check("'[:find ?a :in $ :where [_ :age ?a]]", "#{[15] [37]}");
    check("\"[:find ?a :where [_ :age ?a]]\"", "#{[15] [37]}");
    check(
        "[:find ?n ?a :keys name age :where [1 :name ?n] [1 :age ?a]]",
        r#"[{:name "Ivan" :age 15}]"#,
    );
    check("[:find [?n] :strs name :where [1 :name ?n]]", r#"{"name" "Ivan"}"#);
    check(
        "[:find (pull ?e [:name {:boss [:name]}]) . :where [?e :email _]]",
        r#"{:name "Oleg" :boss {:name "Ivan"}}"#,
    );
}

#[test]
fn order_and_limit() {
    check(
        "[:find ?n ?a :where [?e :name ?n] [?e :age ?a] :order-by [?a :desc ?n]]",
        r#"[["Oleg" 37] ["Petr" 37] ["Ivan" 15]]"#,
    );
    check(
        "[:find ?n ?a :where [?e :name ?n] [?e :age ?a] :order-by [[1 :desc] [0 :desc]] :limit 1]",
        r#"[["Petr" 37]]"#,
    );
    check("[:find [?a ...] :where [_ :age ?a] :order-by ?a :desc :offset 1]", "[15]");
    check(
        "[:find ?n ?b :where [?e :name ?n] [?e :age _] (optional [?e :boss ?b]) :order-by 1]",
        r#"[["Ivan" nil] ["Petr" nil] ["Oleg" 1]]"#,
    );
}

#[test]
fn aggregates() {
    check("[:find (sum ?a) (count ?a) :where [_ :age ?a]]", "[[52 2]]");
    check("[:find (sum ?a) (avg ?a) :with ?e :where [?e :age ?a]]", "[[89 29.666666666666668]]");
    check(
        "[:find ?a (count ?e) (min ?n) :where [?e :age ?a] [?e :name ?n]]",
        r#"[[15 1 "Ivan"] [37 2 "Oleg"]]"#,
    );
    check(
        "[:find (max 1 ?a) (median ?a) (distinct ?a) :where [_ :age ?a]]",
        "[[[37] 26.0 #{15 37}]]",
    );
    check("[:find (count ?e) . :where [?e :age 99]]", "nil");
    check("[:find (count ?e) :where [?e :age 99]]", "[]");
    check("[:find (variance ?a) (stddev ?a) :where [_ :age ?a]]", "[[121.0 11.0]]");
    check_with("[:find (min ?k ?x) :in [?x ...] ?k]", &[edn("[3 1 2]"), edn("2")], "[[[1 2]]]");
}

#[test]
fn patterns() {
    check("[:find ?e :where [?e :friend ?e]]", "#{[4]}");
    check(
        "[:find ?a ?v :where [1 ?a ?v]]",
        r#"#{[:age 15] [:aka "ivolga"] [:aka "pi"] [:friend 2] [:name "Ivan"]}"#,
    );
    check("[:find [?e ...] :where [?e :boss [:name \"Ivan\"]]]", "[3 4]");
    check("[:find [?e ...] :where [:place/home :boss ?e]]", "[4]");
    check("[:find [?e ...] :where [?e :boss/_x 1]]", "[]");
    check("[:find [?e ...] :where [1 :_boss ?e]]", "[3 4]");
    check("[:find [?n ...] :where [?e :aka \"pi\"] [?e :name ?n]]", r#"["Ivan" "Petr"]"#);
    check(
        "[:find [?n ...] :where [_ :age ?a ?tx] [?tx :db/txInstant ?n]]",
        "[#inst \"1970-01-01T00:00:01.000-00:00\"]",
    );
    check("[:find ?added . :where [1 :age _ _ ?added]]", "true");
    check("[:find [?e ...] :where [?e :age _ _ false]]", "[]");
    check("[:find [?e ...] :where [?e :age 15.0]]", "[]");
    check("[:find [?e ...] :where [?e :age 15N]]", "[1]");
    check("[:find [?a ...] :where [_ ?a 4]]", "[:boss :friend]");
}

#[test]
fn inputs() {
    let db = || Input::Db(people());
    let q = "[:find ?e :in $ ?n :where [?e :name ?n]]";
    check_with(q, &[db(), edn("\"Ivan\"")], "#{[1]}");
    let q = "[:find ?e ?a :in $ [?a ...] :where [?e :age ?a]]";
    check_with(q, &[db(), edn("[15 16]")], "#{[1 15]}");
    check_with(q, &[db(), edn("[]")], "#{}");
    let q = "[:find ?a ?x :in $ [?a ...] :where [_ ?a ?x] [(< ?x 20)]]";
    check_with(q, &[db(), edn("[:age :height]")], "#{[:age 15] [:height 1.5]}");
    let q = "[:find ?n ?x :in $ [[?n ?x] ...] :where [_ :name ?n]]";
    check_with(q, &[db(), edn("{\"Ivan\" 1 \"Nemo\" 2}")], "#{[\"Ivan\" 1]}");
    let q = "[:find ?a ?c :in [?a [_ [?c]]]]";
    check_with(q, &[edn("[1 [2 [3]] 4]")], "#{[1 3]}");
    let q = "[:find ?e ?n :in $ [?e ...] :where [?e :name ?n]]";
    let names = "[[:name \"Ivan\"] [:name \"Nemo\"] 2]";
    check_with(q, &[db(), edn(names)], "#{[[:name \"Ivan\"] \"Ivan\"] [2 \"Petr\"]}");
    let q = "[:find [?n ...] :in $ $rows :where [$rows ?n ?a] [?e :name ?n] [?e :age ?a]]";
    check_with(q, &[db(), edn("[[\"Ivan\" 15] [\"Petr\" 15]]")], "[\"Ivan\"]");
    let q = "[:find (pull ?e pattern) . :in $ pattern ?e]";
    check_with(q, &[db(), edn("[:age]"), edn("1")], "{:age 15}");
}

#[test]
fn negation() {
    check("[:find [?e ...] :where [?e :name _] (not [?e :age _])]", "[4]");
    check("[:find [?e ...] :where [?e :name _] (not [?e :friend ?f] [?f :age 37])]", "[3 4]");
    check(
        "[:find [?e ...] :where [?e :name _] [?e :age ?a] (not-join [?e] [?e :friend ?a])]",
        "[3]",
    );
    check("[:find [?e ...] :where [?e :age _] (not [?e :email _]) (not [?e :age 15])]", "[2]");
    check("[:find [?e ...] :where [?e :age ?a] (not [(< ?a 20)])]", "[2 3]");
    check(
        "[:find [?e ...] :where [?e :name _] (not-join [?e] (or [?e :age 15] [?e :height _]))]",
        "[2 3]",
    );
}

#[test]
fn alternatives() {
    check("[:find [?e ...] :where (or [?e :age 15] [?e :height 1.5])]", "[1 4]");
    check(
        "[:find [?e ...] :where [?e :age ?a] (or-join [?e ?a] [(< ?a 20)] [?e :email _])]",
        "[1 3]",
    );
    check(
        "[:find [?e ...] :where (or-join [?e] (and [?e :friend ?f] [?f :age 37]) [?e :email _])]",
        "[1 2 3]",
    );
    check(
        "[:find ?e ?x :where [?e :boss _] (or-join [[?e] ?x] [?e :email ?x] \
         (and [?e :height ?x]))]",
        "#{[3 \"oleg@example.org\"] [4 1.5]}",
    );
    check(
        "[:find ?n ?f :where [?e :name ?n] [?e :age 37] (optional [?e :friend ?x] [?x :name ?f])]",
        r#"#{["Oleg" nil] ["Petr" "Oleg"]}"#,
    );
}

#[test]
fn functions_bind_and_unify() {
    check(
        "[:find ?n ?l :where [?e :age 37] [?e :name ?n] [(count ?n) ?l]]",
        r#"#{["Oleg" 4] ["Petr" 4]}"#,
    );
    check("[:find [?e ...] :where [?e :age ?a] [(+ 22 15) ?a]]", "[2 3]");
    check("[:find ?a ?b :where [(ground [[1 2] [3 4]]) [[?a ?b]]]]", "#{[1 2] [3 4]}");
    check("[:find [?x ...] :where [(range 3) [?x ...]] [(odd? ?x)]]", "[1]");
    check("[:find ?x ?y :where [(ground [1 [2 3]]) [?x [_ ?y]]]]", "#{[1 3]}");
    check(
        "[:find ?e ?h :where [?e :name _] [(get-else $ ?e :height 0.0) ?h] [(missing? $ ?e :age)]]",
        "#{[4 1.5]}",
    );
    check(
        "[:find ?e ?v :where [?e :name _] [(get-some $ ?e :email :height) [?a ?v]]]",
        "#{[3 \"oleg@example.org\"] [4 1.5]}",
    );
    check("[:find [?e ...] :where [?e :name ?n] [(clojure.string/includes? ?n \"body\")]]", "[4]");
    check("[:find ?m . :where [(re-find #\"b(.)d\" \"a body\") [_ ?m]]]", "\"o\"");
    check("[:find [?e ...] :where [?e :name ?n] [(like ?n \"%et_\")]]", "[2]");
    check("[:find ?n . :where [(q [:find (count ?e) . :where [?e :name _]] $) ?n]]", "4");
    check("[:find ?r . :where [(/ 1 2) ?r]]", "1/2");
    check("[:find [?e ...] :where [?e :age ?a] [(<= 15 ?a)] [(< ?a 16)]]", "[1]");
    check("[:find [?e ...] :where [?e :age ?a] [(> ?a 15.5)]]", "[2 3]");
    check("[:find ?x :where [(ground :place/home) ?x] [?x :boss 4]]", "#{[:place/home]}");
    check("[:find ?a . :where (interval-meets? 1 2 2 3) [1 :age ?a]]", "15");
}

#[test]
fn two_databases() {
    let other = db_of(
        2,
        "{:of {:db/valueType :db.type/ref}}",
        &["[[1 :title \"Ivan\"] [1 :no 2] [2 :title \"x\"] [7 :age 15] [7 :of 1]]"],
    );
    let inputs = [Input::Db(people()), Input::Db(other.clone())];
    check_with(
        "[:find ?e ?o :in $ $b :where [?e :name ?n] [$b ?o :title ?n]]",
        &inputs,
        "#{[1 1]}",
    );
    check_with("[:find ?e :in $ $b :where [?e :name _] [$b ?e :title _]]", &inputs, "#{}");
    check_with(
        "[:find ?n ?t :in $ $b :where [$b _ :no ?e] [?e :name ?n] [$b ?e :title ?t]]",
        &inputs,
        "#{[\"Petr\" \"x\"]}",
    );
    check_with(
        "[:find [?n ...] :in $ $b :where [?e :age ?a] ($b not [?x :age ?a]) [?e :name ?n]]",
        &inputs,
        "[\"Oleg\" \"Petr\"]",
    );
    check_with(
        "[:find [?a ...] :in $ $b :where ($b or [_ :age ?a] [_ :no ?a])]",
        &inputs,
        "[2 15]",
    );
    let then = people().as_of(T(0));
    let both = [Input::Db(people()), Input::Db(then)];
    check_with(
        "[:find (count ?e) . :in $ $old :where [?e :name _] (not [$old ?e :name _])]",
        &both,
        "4",
    );
}

#[test]
fn past_and_history() {
    let db = db_of(1, "{}", &["[[1 :n 1]]", "[[1 :n 1 false] [1 :n 2]]"]);
    let q = "[:find [?n ...] :where [1 :n ?n]]";
    check_with(q, &[Input::Db(db.clone())], "[2]");
    check_with(q, &[Input::Db(db.as_of(T(1)))], "[1]");
    check_with(
        "[:find ?n ?t ?op :where [1 :n ?n ?t ?op]]",
        &[Input::Db(db.history())],
        "#{[1 536870913 true] [1 536870914 false] [2 536870914 true]}",
    );
    check_with("[:find [?n ...] :where [1 :n ?n _ false]]", &[Input::Db(db.history())], "[1]");
    check_with(
        "[:find ?d . :where [(tx-data $ 536870913) ?d]]",
        &[Input::Db(db.clone())],
        "[[1 :n 1 536870913 true] \
         [536870913 :db/txInstant #inst \"1970-01-01T00:00:01.000-00:00\" 536870913 true]]",
    );
    check_with(
        "[:find ?d . :where [(tx-ids $ 1 3) ?d]]",
        &[Input::Db(db)],
        "[536870913 536870914]",
    );
}

#[test]
fn attributes_as_entities() {
    let db = db_of(1, "{}", &["[[1 :n 1] [2 :m 1]]"]);
    check_with("[:find [?a ...] :where [_ ?a 1]]", &[Input::Db(db)], "[:m :n]");
}

#[test]
fn answers_name_their_columns() {
    let columns = |query| Query::parse(query).unwrap().columns();
    assert_eq!(
        columns("[:find ?name (sum ?r) (sum ?r) :where [?name ?r]]"),
        ["name", "sum_r", "sum_r_2"]
    );
    assert_eq!(columns("[:find ?a :keys label :where [?a]]"), ["label"]);
    let query =
        Query::parse("[:find ?e :in $ $b % ?n [?x ...] p :where [$b ?e :name ?n] [?e :age ?x]]");
    let inputs: Vec<_> =
        query.unwrap().inputs().into_iter().map(|i| (i.name, i.kind, i.attribute)).collect();
    let attribute = |source: &str, attribute: &str| Some((source.to_owned(), attribute.to_owned()));
    assert_eq!(
        inputs,
        [
            ("$".to_owned(), InputKind::Source, None),
            ("$b".to_owned(), InputKind::Source, None),
            ("%".to_owned(), InputKind::Rules, None),
            ("?n".to_owned(), InputKind::Scalar, attribute("$b", "name")),
            ("[?x ...]".to_owned(), InputKind::Collection, attribute("$", "age")),
            ("p".to_owned(), InputKind::Pattern, None),
        ]
    );
}
