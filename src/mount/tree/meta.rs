//! `X.meta`: where an answer came from.

use super::node::Leaf;
use super::plan::{Pinned, Plan};
use super::work::{Pins, Rendered, Work};
use crate::error::Result;
use crate::source::{Moment, Mounted};
use factfs_core::edn;
use factfs_core::hash::NodeHash;
use factfs_core::instant;
use serde_json::{Map, Value as Json, json};

/// The facts about an answer, as JSON.
pub(super) fn meta(work: &Work, ended: &Result<Rendered>) -> String {
    let mut about = Map::new();
    about.insert("path".into(), json!(work.answer_path()));
    about.insert("format".into(), json!(Leaf::answer(work.leaf.format).format.extension()));
    match &work.pins {
        Pins::Plan(Ok(plan)) => about.extend(of_plan(plan)),
        Pins::Plan(Err(_)) => {}
        Pins::Moment(pinned) => {
            about.insert("sources".into(), json!([of_moment("$", &pinned.0, &pinned.1)]));
        }
        Pins::Difference(compared) => {
            let end = |name, moment| of_moment(name, &compared.mounted, moment);
            let ends = [end("from", &compared.from), end("to", &compared.to)];
            about.insert("sources".into(), json!(ends));
        }
    }
    match ended {
        Ok(rendered) => about.extend(of_answer(rendered)),
        Err(failure) => {
            about.insert("error".into(), json!(failure.to_string()));
            about.extend(failure.code.map(|code| ("code".to_owned(), json!(code.name()))));
        }
    }
    // Printing a value that is in memory cannot fail.
    serde_json::to_string_pretty(&Json::Object(about)).unwrap_or_default() + "\n"
}

fn of_plan(plan: &Plan) -> Vec<(String, Json)> {
    let inputs =
        plan.inputs.iter().map(|(name, value)| (name.clone(), json!(edn::to_string(value))));
    vec![
        ("query".into(), json!(plan.text)),
        ("query_blake3".into(), json!(NodeHash::of(plan.text.as_bytes()).to_string())),
        ("inputs".into(), Json::Object(inputs.collect())),
        ("sources".into(), json!(plan.sources.iter().map(of_source).collect::<Vec<_>>())),
    ]
}

fn of_source(pinned: &Pinned) -> Json {
    json!({
        "name": pinned.symbol,
        "store": pinned.store,
        "uuid": pinned.uuid,
        "commit": pinned.moment.commit.map(|commit| commit.to_string()),
        "t": pinned.moment.db.basis_t().0,
        "instant": pinned.moment.instant_ms.map(instant::format),
    })
}

fn of_moment(name: &str, mounted: &Mounted, moment: &Moment) -> Json {
    of_source(&Pinned {
        symbol: name.to_owned(),
        store: mounted.name.to_string(),
        uuid: mounted.source.uuid().to_string(),
        moment: moment.clone(),
    })
}

fn of_answer(rendered: &Rendered) -> Vec<(String, Json)> {
    let mut about: Vec<(String, Json)> = Vec::new();
    about.extend(rendered.rows.map(|rows| ("rows".into(), json!(rows))));
    if !rendered.warnings.is_empty() {
        about.push(("warnings".into(), json!(rendered.warnings)));
    }
    about.extend([
        ("bytes".into(), json!(rendered.content.size_bytes())),
        ("blake3".into(), json!(rendered.content.hash_hex())),
        ("time_ms".into(), json!(rendered.took.as_millis() as u64)),
    ]);
    about
}
