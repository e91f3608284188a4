//! The queries of the workload, warm: each prepared once, then run with changing parameters.
//!
//! `cargo bench -p factfs-store --bench queries -- SIZE FOLDER [q01 q02 ...] [--budget SECONDS]
//! [--parse] [--explain]`, after the bench `load` has loaded that workload. q15 needs the updates,
//! which `load -- SIZE FOLDER --updates` adds.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a bench ends so")]

mod common;

use common::{Workload, median};
use factfs_core::db::{Db, EntityRef};
use factfs_core::edn::{self, Form};
use factfs_core::id::T;
use factfs_core::pull::{parse, pull};
use factfs_core::query::{CancelToken, Input, Limits, Query, explain, run};
use factfs_core::value::Value;
use serde_json::json;
use std::time::{Duration, Instant};

const RULES: &str = "[[(reports ?m ?e) [?e :employee/manager ?m]]
  [(reports ?m ?e) [?x :employee/manager ?m] (reports ?x ?e)]
  [(path ?a ?b) [?a :node/next ?b]]
  [(path ?a ?b) [?a :node/next ?x] (path ?x ?b)]]";

/// Name, the databases it starts with, the parameters that follow, the text.
const QUERIES: [(&str, &str, &str, &str); 15] = [
    (
        "q01_point",
        "c",
        "sku",
        "[:find ?n ?r :in $ ?k :where [?e :product/sku ?k]
        [?e :product/name ?n] [?e :product/price ?r]]",
    ),
    (
        "q03_join2",
        "c",
        "tag",
        "[:find ?s :in $ ?t :where [?e :product/tag ?t] [?e :product/sku ?s]]",
    ),
    (
        "q04_join3",
        "c",
        "country cat",
        "[:find ?k ?n :in $ ?c ?g :where [?s :supplier/country ?c]
        [?e :product/supplier ?s] [?e :product/category ?g] [?e :product/sku ?k]
        [?s :supplier/name ?n]]",
    ),
    (
        "q05_range",
        "c",
        "range",
        "[:find ?e ?r :in $ ?lo ?hi :where [?e :product/price ?r]
        [(<= ?lo ?r)] [(< ?r ?hi)]]",
    ),
    (
        "q06_agg",
        "c",
        "",
        "[:find ?c (count ?e) (sum ?r) (avg ?r)
        :where [?e :product/category ?c] [?e :product/price ?r]]",
    ),
    ("q07_topk", "c", "", "[:find (max 10 ?r) :with ?e :where [?e :product/price ?r]]"),
    (
        "q08_xsel",
        "ci",
        "tag",
        "[:find ?s ?i ?q :in $ $inv ?t :where [$ ?e :product/tag ?t]
        [$ ?e :product/sku ?s] [$inv ?i :stock/sku ?s] [$inv ?i :stock/quantity ?q]]",
    ),
    (
        "q09_xfull",
        "ci",
        "",
        "[:find ?c (sum ?v) :with ?i :in $ $inv :where [$ ?e :product/sku ?s]
        [$ ?e :product/category ?c] [$ ?e :product/price ?r] [$inv ?i :stock/sku ?s]
        [$inv ?i :stock/quantity ?q] [(* ?r ?q) ?v]]",
    ),
    (
        "q10_not",
        "ci",
        "cat",
        "[:find (count ?e) . :in $ $inv ?c :where [$ ?e :product/category ?c]
        [$ ?e :product/sku ?s] ($inv not [?i :stock/sku ?s])]",
    ),
    (
        "q11_or",
        "c",
        "tag cat lowprice",
        "[:find (count ?e) . :in $ ?t ?c ?l :where
        (or-join [?e ?t ?c ?l] [?e :product/tag ?t]
          (and [?e :product/category ?c] [?e :product/price ?r] [(< ?r ?l)]))]",
    ),
    (
        "q12_rec1",
        "o",
        "rules boss",
        "[:find (count ?e) . :in $ % ?b :where [?m :employee/id ?b]
        (reports ?m ?e)]",
    ),
    ("q13t_recall_tree", "o", "rules", "[:find ?m ?e :in $ % :where (reports ?m ?e)]"),
    ("q13_recall_chain", "o", "rules", "[:find ?a ?b :in $ % :where (path ?a ?b)]"),
    (
        "q14_str",
        "c",
        "needle",
        "[:find (count ?e) . :in $ ?s :where [?e :product/name ?n]
        [(clojure.string/includes? ?n ?s)]]",
    ),
    (
        "q15_asof",
        "a",
        "cat",
        "[:find (count ?e) (sum ?r) :in $ ?c
        :where [?e :product/category ?c] [?e :product/price ?r]]",
    ),
];

struct Bench {
    workload: Workload,
    catalog: Db,
    inventory: Db,
    org: Db,
    asof: Db,
    flags: Vec<String>,
    budget: Duration,
}

fn main() {
    let (workload, flags) = Workload::from_args();
    let [catalog, inventory, org] =
        common::DATABASES.map(|name| workload.open(name).db().expect("db"));
    let budget = flags.iter().position(|f| f == "--budget").and_then(|at| flags.get(at + 1));
    let budget = Duration::from_secs_f64(budget.map_or(1.0, |b| b.parse().expect("seconds")));
    // The updates are the last twenty transactions, if they are there.
    let asof = catalog.as_of(T(catalog.basis_t().0.saturating_sub(10)));
    let bench = Bench { workload, catalog, inventory, org, asof, flags, budget };
    for (name, sources, params, text) in QUERIES {
        if bench.wants(name) {
            bench.query(name, sources, params, text);
        }
    }
    if bench.wants("q02_pull") {
        bench.pull();
    }
}

impl Bench {
    fn wants(&self, name: &str) -> bool {
        let mut asked = self.flags.iter().filter(|f| f.starts_with('q')).peekable();
        asked.peek().is_none() || asked.any(|f| name.split('_').next() == Some(f))
    }

    fn query(&self, name: &str, sources: &str, params: &str, text: &str) {
        let parse = || Query::parse(text).expect("a query");
        let prepared = parse();
        let again = self.flags.iter().any(|f| f == "--parse");
        if self.flags.iter().any(|f| f == "--explain") {
            match explain(&prepared, &self.inputs(sources, params, 0)) {
                Ok(plan) => eprintln!("{name}\n{plan}"),
                Err(error) => eprintln!("{name}: {error}"),
            }
        }
        self.measure(name, |n| {
            let inputs = self.inputs(sources, params, n);
            let fresh = again.then(parse);
            let query = fresh.as_ref().unwrap_or(&prepared);
            let (limits, cancel) = (Limits::default(), CancelToken::default());
            let answer = run(query, &inputs, &limits, &cancel).map_err(|e| e.to_string())?;
            Ok(match answer.rows.as_slice() {
                [row] if row.len() == 1 => (1, Form::from(row[0].clone()).to_string()),
                rows => (rows.len(), rows.len().to_string()),
            })
        });
    }

    fn pull(&self) {
        let text = "[* {:product/supplier [*]}]";
        let pattern = edn::read_one(text).expect("EDN").to_value();
        let pattern = parse(&pattern).expect("a pattern");
        let sku = self.catalog.attribute("product/sku").expect("an attribute").id;
        self.measure("q02_pull", |n| {
            let lookup = EntityRef::Lookup(sku, self.param("sku", n));
            let e = self.catalog.entid(&lookup).map_err(|e| e.to_string())?.ok_or("nobody")?;
            pull(&self.catalog, &pattern, e).map_err(|e| e.to_string())?;
            Ok((1, "1".into()))
        });
    }

    fn measure(&self, name: &str, mut f: impl FnMut(usize) -> Result<(usize, String), String>) {
        let (rows, chk) = match f(0) {
            Ok(found) => found,
            Err(error) => return self.workload.print(json!({ "q": name, "error": error })),
        };
        let begun = common::cpu();
        let (mut cpus, mut walls) = (Vec::new(), Vec::new());
        let most = if self.budget.is_zero() { 1 } else { 2000 };
        while cpus.len() < most && (cpus.len() < 3 || common::cpu() - begun < self.budget) {
            let n = cpus.len();
            let (wall, before) = (Instant::now(), common::cpu());
            let _ = f(n);
            cpus.push(common::cpu() - before);
            walls.push(wall.elapsed());
        }
        let least = walls.iter().min().map_or(0.0, Duration::as_secs_f64);
        self.workload.print(json!({
            "q": name, "reps": cpus.len(), "cpu_med": median(&mut cpus),
            "wall_med": median(&mut walls), "wall_min": least, "rows": rows, "chk": chk,
        }));
    }

    fn inputs(&self, sources: &str, params: &str, n: usize) -> Vec<Input> {
        let db = |source| match source {
            'c' => &self.catalog,
            'i' => &self.inventory,
            'a' => &self.asof,
            _ => &self.org,
        };
        let mut inputs: Vec<_> = sources.chars().map(|s| Input::Db(db(s).clone())).collect();
        for name in params.split_whitespace() {
            match name {
                "range" => inputs.extend(self.range(n)),
                name => inputs.push(Input::Value(self.param(name, n))),
            }
        }
        inputs
    }

    fn range(&self, n: usize) -> [Input; 2] {
        let range = &self.workload.params["ranges"][n % 10];
        [0, 1].map(|at| Input::Value(Value::Long(range[at].as_i64().expect("a number"))))
    }

    fn param(&self, name: &str, n: usize) -> Value {
        let params = &self.workload.params;
        let of = |list: &str| {
            let all = params[list].as_array().expect(list);
            Value::str(all[n % all.len()].as_str().expect("text"))
        };
        match name {
            "sku" => of("skus"),
            "tag" => of("tags"),
            "cat" => of("cats"),
            "country" => of("countries"),
            "rules" => edn::read_one(RULES).expect("rules").to_value(),
            "lowprice" => Value::Long(params[name].as_i64().expect("a number")),
            name => Value::str(params[name].as_str().expect("text")),
        }
    }
}
