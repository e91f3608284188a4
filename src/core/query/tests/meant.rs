//! What was meant by a name that nothing has: in errors, and in warnings where there is an answer.

use super::*;

/// Checks the end of the message of an error over [`people`], with `rules` for `%`.
fn meant_with(query: &str, rules: &str, end: &str) {
    let rules = (!rules.is_empty()).then(|| Input::Form(read_one(rules).unwrap()));
    let inputs: Vec<Input> = [Input::Db(people())].into_iter().chain(rules).collect();
    let error = ask(query, &inputs).unwrap_err().to_string();
    assert!(error.ends_with(end), "{query}\n{error}");
}

fn meant(query: &str, end: &str) {
    meant_with(query, "", end);
}

/// Checks the warnings over [`people`].
fn warned(query: &str, expected: &[&str]) {
    let answer = ask(query, &[Input::Db(people())]).unwrap_or_else(|e| panic!("{query}\n{e}"));
    assert_eq!(answer.stats.warnings, expected, "{query}");
}

#[test]
fn functions() {
    meant("[:find ?e :where [?e :age ?a] [(od? ?a)]]", "(did you mean odd??)");
    meant("[:find ?b :where [_ :age ?a] [(rnage ?a) ?b]]", "(did you mean range?)");
    meant(
        "[:find ?e :where [?e :name ?n] [(starts-with? ?n \"I\")]]",
        "(did you mean clojure.string/starts-with??)",
    );
    meant(
        "[:find ?e :where [?e :name ?n] [(str/blnk? ?n)]]",
        "(did you mean clojure.string/blank??)",
    );
    meant("[:find (cuont ?e) :where [?e :name]]", "(did you mean count?)");
    meant("[:find ?e :where [?e :name ?n] [(zzz ?n)]]", "[(zzz ?n)] at line 1, column 32");
}

#[test]
fn variables() {
    meant("[:find ?nmae :where [_ :name ?name]]", "(did you mean ?name?)");
    meant(
        "[:find ?n :with ?ege :where [_ :name ?n] [_ :age ?age]]",
        "column 17 (did you mean ?age?)",
    );
    meant("[:find ?n :where [_ :name ?n] :order-by ?m]", "in ?m at line 1, column 41");
    meant(
        "[:find ?name :where [_ :name ?name] :order-by ?nmae]",
        "(did you mean ?name?), in ?nmae at line 1, column 47",
    );
    meant(
        "[:find ?e :where [?e :age ?age] [(< ?agge 3)]]",
        "#{?agge} not bound in [(< ?agge 3)] at line 1, column 33 (did you mean ?age?)",
    );
    // A variable that is bound, but only by what waits for another, is not misspelt.
    meant(
        "[:find ?a :where [(inc ?ab) ?a] [(inc ?a) ?ab]]",
        "#{?ab} not bound in [(inc ?ab) ?a] at line 1, column 18",
    );
}

#[test]
fn sources_and_patterns() {
    meant("[:find ?e :in $cat :where [$cta ?e :name]]", "(did you mean $cat?)");
    let patterns = [Input::Db(people()), edn("[:name]")];
    let query = "[:find (pull ?e patern) :in $ pattern :where [?e :name]]";
    let error = ask(query, &patterns).unwrap_err().to_string();
    assert!(error.ends_with("(did you mean pattern?)"), "{error}");
}

#[test]
fn rules_and_what_looks_like_one() {
    let rules = "[[(older ?a ?b) [?a :age ?x] [?b :age ?y] [(< ?y ?x)]]]";
    let query = |clause: &str| format!("[:find ?e :in $ % :where [?e :name] {clause}]");
    meant_with(&query("(odler ?e ?f)"), rules, "(did you mean older?)");
    meant_with(&query("(nto [?e :age 15])"), rules, "(did you mean not?)");
    meant_with(&query("(period-overlap? ?e 1 2)"), rules, "(did you mean period-overlaps??)");
    meant(
        "[:find ?e :where [?e :name] (not-jion [?e] [?e :age 15])]",
        "`:in` has no % (did you mean not-join?), \
         in (not-jion [?e] [?e :age 15]) at line 1, column 29",
    );
    meant(
        "[:find ?e :where [?e :age ?a] (odd? ?a)]",
        "(did you mean [(odd? ...)]?), in (odd? ?a) at line 1, column 31",
    );
}

#[test]
fn errors_in_rules_have_their_place_there() {
    let query = "[:find ?e :in $ % :where (r ?e)]";
    let place = |rules: &str, end: &str| meant_with(query, rules, end);
    place("[[(r ?e)\n  (zz ?e)]]", "Unknown rule 'zz in (zz ?e) in the rules at line 2, column 3");
    place("[[(r ?e) [(od? ?e)]]]", "in the rules at line 1, column 10 (did you mean odd??)");
    place("[(r ?e) [?e]]", "in (r ?e) in the rules at line 1, column 2");
    place(
        "[[(r ?e) [?f :name]]]",
        "#{?e} not bound in [?f :name] in the rules at line 1, column 10",
    );
}

#[test]
fn a_query_in_a_query_has_the_place_of_the_call() {
    meant(
        "[:find ?x :where [(q [:find ?nmae :where [_ :name ?name]] $) ?x]]",
        "in ?nmae at line 1, column 18 (did you mean ?name?)",
    );
    warned(
        "[:find ?x :where [(q [:find ?n :where [_ :nam ?n]] $) ?x]]",
        &["unknown attribute :nam (did you mean :name?), in [_ :nam ?n], \
           in [(q [:find ?n :where [_ :nam ?n]] $) ?x] at line 1, column 18"],
    );
}

#[test]
fn attributes_that_are_not_there_are_warnings_wherever_they_stand() {
    warned(
        "[:find ?n :where [[:nmae \"Ivan\"] :age ?n]]",
        &["unknown attribute :nmae (did you mean :name?), \
           in [[:nmae \"Ivan\"] :age ?n] at line 1, column 18"],
    );
    warned(
        "[:find ?e :where [?e :boss [:nmae \"Ivan\"]]]",
        &["unknown attribute :nmae (did you mean :name?), \
           in [?e :boss [:nmae \"Ivan\"]] at line 1, column 18"],
    );
    warned(
        "[:find ?e :where [?e :_bos 1]]",
        &["unknown attribute :_bos (did you mean :_boss?), in [?e :_bos 1] at line 1, column 18"],
    );
    warned(
        "[:find ?e ?x :where [?e :name] [(get-else $ ?e :agge :agge) ?x]]",
        &["unknown attribute :agge (did you mean :age?), \
           in [(get-else $ ?e :agge :agge) ?x] at line 1, column 32"],
    );
    warned(
        "[:find ?e :where [?e :name] [(missing? $ ?e :_boss)] [(missing? $ ?e :emial)]]",
        &["unknown attribute :emial (did you mean :email?), \
           in [(missing? $ ?e :emial)] at line 1, column 54"],
    );
}

#[test]
fn attributes_of_pull_patterns_too() {
    warned(
        "[:find (pull ?e [:nmae {:fiend [:name]}]) :where [?e :age 99]]",
        &[
            "unknown attribute :nmae (did you mean :name?), in :nmae at line 1, column 18",
            "unknown attribute :fiend (did you mean :friend?), in :fiend at line 1, column 25",
        ],
    );
    let inputs = [Input::Db(people()), edn("[:nmae]")];
    let query = "[:find (pull ?e p) :in $ p :where [?e :age 15]]";
    assert_eq!(
        ask(query, &inputs).unwrap().stats.warnings,
        ["unknown attribute :nmae (did you mean :name?), in (pull ?e p) at line 1, column 8"]
    );
    meant(
        "[:find (pull ?e [(:name :sa 1)]) :where [?e :name]]",
        "not :sa (did you mean :as?), in :sa at line 1, column 25",
    );
}

#[test]
fn errors_say_their_code() {
    let code = |query: &str| ask(query, &[Input::Db(people())]).unwrap_err().code().name();
    assert_eq!(code("[:find ?e"), "edn/incomplete");
    assert_eq!(code("[:find ?x :where [?e :name]]"), "query/unknown-variable");
    assert_eq!(code("[:find (pull ?e [:name 1]) :where [?e :name]]"), "pull/syntax");
    assert_eq!(code("[:find ?e :where [[:age 15] :name ?e]]"), "attribute/not-unique");
}
