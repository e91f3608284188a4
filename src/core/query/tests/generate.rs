//! Generated queries: patterns over two sources and what filters, joins, excludes and folds them.
//!
//! **Invariant:** a query is a function of the dice. Every clause is one that the naive evaluator
//! knows; attributes `:a :b :many` hold numbers, `:s` text, `:r` entities, `:key` names them.

/// A generator of small numbers from a seed, so that a failing case is one number.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    pub(super) fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len() as u64) as usize]
    }
}

pub(super) const RULES: &str =
    "[[(reach ?p ?q) [?p :r ?q]] [(reach ?p ?q) [?p :r ?m] (reach ?m ?q)]
    [(back ?p ?q) [?q :r ?p]] [(back ?p ?q) (back ?p ?m) [?q :r ?m]]
    [(near ?p ?q) (or-join [?p ?q] [?p :r ?q] (and [?p :r ?m] (near ?m ?q)))]
    [(far ?p ?q) [?p :r ?q] [?q :a _]] [(far ?p ?q) [?p :r ?m] (far ?m ?q)]
    [(away ?p ?q) [?q :r ?p]] [(away ?p ?q) (away ?p ?m) [?q :r ?m] [?q :b _]]
    [(hop ?p ?q) [?p :r ?m] (skip ?m ?q)] [(skip ?p ?q) [?p :r ?q]]
    [(skip ?p ?q) [?p :r ?m] (hop ?m ?q)]
    [(opt ?p ?o) [?p :a _] (optional [?p :s ?o])]
    [(pair ?p ?x) [?p :a ?x]] [(pair ?p ?x) [?p :b ?x] [(< ?x 3)]]]";

fn pattern(dice: &mut Dice) -> String {
    let e = dice.one(&["?e", "?e", "?e", "?f", "?f", "?g", "21", "[:key \"k1\"]"]);
    // Only one of the databases shows its entities as values: a number equals an entity of either,
    // which is not transitive.
    let (source, kinds) = if dice.below(4) == 0 { ("$b ", 6) } else { ("", 8) };
    let rest = match dice.below(kinds) {
        0 => format!(":a {}", dice.one(&["?x", "?y", "2"])),
        1 => format!(":b {}", dice.one(&["?x", "?y", "_"])),
        2 => format!(":s {}", dice.one(&["?s", "\"x\""])),
        3 => format!(":many {}", dice.one(&["?x", "1"])),
        4 => format!(":a ?x {}", dice.one(&["?t", "_"])),
        5 => {
            format!("{} {} _ {}", dice.one(&[":a", ":many"]), dice.one(&["?x", "?y"]), added(dice))
        }
        6 => format!("?k {}", dice.one(&["?x", "_"])),
        _ => format!(":r {}", dice.one(&["?e", "?f", "?f", "?g", "23", "[:key \"k2\"]"])),
    };
    format!("[{source}{e} {rest}]")
}

/// Whether a datom says or takes back, which a history tells apart.
fn added(dice: &mut Dice) -> &'static str {
    dice.one(&["?added", "true", "false"])
}

/// A clause that says something of variables that the patterns before have.
fn filter(dice: &mut Dice) -> String {
    match dice.below(20) {
        0 => "[(< ?x 3)]".to_owned(),
        1 => "[(<= 1 ?x)]".to_owned(),
        2 => "[(= ?x ?y)]".to_owned(),
        3 => "[(not= ?e ?f)]".to_owned(),
        4 => "[(+ ?x 1) ?y]".to_owned(),
        5 => format!("(not {})", pattern(dice)),
        6 => format!("(not-join [?e] [?e :r ?h] {})", dice.one(&["[?h :a ?x]", "[?h :r ?f]"])),
        7 => "(or [?e :a ?x] [?e :b ?x])".to_owned(),
        8 => "(or-join [?e] [?e :a 2] (and [?e :r ?f] [?f :b ?x]))".to_owned(),
        9 => format!("({} ?e ?f)", dice.one(&["reach", "back", "near", "far", "away", "hop"])),
        10 => "(pair ?e ?x)".to_owned(),
        11 => "(not (or [?e :a 1] (reach ?e ?e)))".to_owned(),
        12 => format!("(optional [?e {} ?o])", dice.one(&[":a", ":b", ":s", ":many"])),
        13 => "(optional [?e :r ?h] [?h :s ?o])".to_owned(),
        14 => format!("({} {})", dice.one(&["$b not", "$b or"]), pattern(dice)),
        15 => format!("($b {} ?e ?f)", dice.one(&["reach", "back", "near", "hop"])),
        16 => "($b pair ?e ?x)".to_owned(),
        _ => reading(dice),
    }
}

/// A call that reads single facts.
fn reading(dice: &mut Dice) -> String {
    let (source, e) = (dice.one(&["$", "$b"]), dice.one(&["?e", "?e", "?f", "[:key \"k1\"]"]));
    let a = dice.one(&[":a", ":b", ":many"]);
    match dice.below(6) {
        0 => format!("[(missing? {source} {e} {})]", dice.one(&[":a", ":b", ":s", ":r", ":key"])),
        1 => format!("(not [(missing? {source} {e} {a})])"),
        2 => format!("[(get-else {source} {e} :s \"none\") ?s]"),
        3 => format!("[(get-some {source} {e} {a} :b) [{} ?x]]", dice.one(&["_", "?m"])),
        _ => format!("[(get-else {source} {e} {a} 2) {}]", dice.one(&["?x", "?y"])),
    }
}

/// How some of the columns are sorted, and which rows are wanted.
pub(super) struct Page {
    /// Columns, and whether the largest comes first.
    pub keys: Vec<(usize, bool)>,
    pub offset: usize,
    pub limit: usize,
}

impl Page {
    pub(super) fn of(dice: &mut Dice, columns: usize) -> Self {
        let mut keys: Vec<(usize, bool)> = Vec::new();
        for _ in 0..dice.below(3) {
            let column = dice.below(columns as u64) as usize;
            if keys.iter().all(|(other, _)| *other != column) {
                keys.push((column, dice.below(2) == 0));
            }
        }
        Self { keys, offset: dice.below(4) as usize, limit: dice.below(5) as usize }
    }

    /// A query in this order; of all its rows, or of those that are wanted.
    pub(super) fn of_query(&self, query: &str, all: bool) -> String {
        let direction = |desc| if desc { ":desc" } else { ":asc" };
        let key = |(column, desc): &(usize, bool)| format!("{column} {}", direction(*desc));
        let keys: Vec<String> = self.keys.iter().map(key).collect();
        let order = match keys.as_slice() {
            [] => String::new(),
            keys => format!(":order-by [{}]", keys.join(" ")),
        };
        let rows = match all {
            true => String::new(),
            false => format!(":offset {} :limit {}", self.offset, self.limit),
        };
        format!("{} {order} {rows}]", query.strip_suffix(']').unwrap())
    }
}

/// A query of rows, or now and then of groups.
pub(super) fn query(dice: &mut Dice) -> String {
    let mut clauses: Vec<String> = (0..1 + dice.below(3)).map(|_| pattern(dice)).collect();
    for filter in (0..dice.below(3)).map(|_| filter_or_option(dice)).collect::<Vec<_>>() {
        // What two optional clauses share would depend on their order, and is refused.
        let is_twice = |var| filter.contains(var) && clauses.iter().any(|c| c.contains(var));
        if !is_twice("?o]") && !is_twice("(optional [?e :s ?s]") {
            clauses.push(filter);
        }
    }
    let mut text = clauses.join(" ");
    let numbers_alone = !text.contains("?k");
    if !numbers_alone {
        // Its values may be text.
        text = text.replace("[(+ ?x 1) ?y]", "");
    }
    let vars = ["?e", "?f", "?x", "?s", "?k", "?t", "?o", "?m", "?added"];
    let mut find: Vec<&str> = vars.into_iter().filter(|var| text.contains(*var)).collect();
    if find.is_empty() {
        find.push("?g");
    }
    let (find, with) = match dice.below(4) {
        0 => groups(dice, find, numbers_alone),
        _ => (find.join(" "), String::new()),
    };
    format!("[:find {find} {with} :in $ $b % :where {text}]")
}

/// Some of the variables as groups, one of them folded, and perhaps one in `:with`.
fn groups(dice: &mut Dice, mut vars: Vec<&str>, numbers_alone: bool) -> (String, String) {
    let mut take =
        |vars: &mut Vec<&'static str>| vars.remove(dice.below(vars.len() as u64) as usize);
    let mut all: Vec<&'static str> =
        ["?e", "?f", "?x", "?s", "?k", "?t", "?o", "?m", "?added", "?g"]
            .into_iter()
            .filter(|var| vars.contains(var))
            .collect();
    vars.clear();
    let folded = take(&mut all);
    let with = (!all.is_empty()).then(|| take(&mut all));
    let folds: &[&str] = match folded {
        "?x" if numbers_alone => &["sum", "avg", "median", "min", "max", "count", "distinct"],
        _ => &["count", "count-distinct", "distinct", "min", "max", "min 2", "max 2"],
    };
    let fold = dice.one(folds);
    let with = with.filter(|_| dice.below(2) == 0).map(|var| format!(":with {var}"));
    (format!("({fold} {folded}) {}", all.join(" ")), with.unwrap_or_default())
}

/// A filter; now and then an `optional` in a rule or in a branch.
fn filter_or_option(dice: &mut Dice) -> String {
    match dice.below(8) {
        0 => "(opt ?e ?s)".to_owned(),
        1 => "(or (and [?e :a ?x] (optional [?e :s ?s])) (and [?e :b ?x] [?e :s ?s]))".to_owned(),
        _ => filter(dice),
    }
}
