//! `X.meta`: where an answer came from.
//!
//! **Invariant:** what stands here, with the databases, is enough to make the answer again: no
//! saved query, name or clock is needed. Whoever reads it can use the pin that it names at once.

use super::Tree;
use super::pins;
use super::work::{Rendered, Work};
use crate::error::Result;
use crate::render;
use serde_json::{Map, Value as Json, json};

impl Tree {
    /// The facts about an answer, as JSON.
    pub(super) fn meta(&self, work: &Work, ended: &Result<Rendered>) -> String {
        let mut about = Map::new();
        about.insert("factfs".into(), json!(env!("CARGO_PKG_VERSION")));
        about.insert("path".into(), json!(work.answer_path()));
        about.insert("format".into(), json!(work.leaf.format.extension()));
        let recipe = self.recipe(work);
        match &recipe {
            Some(recipe) => about.extend(recipe.fields()),
            // It says more than its commits do: there is no making it again, but what was read.
            None => about.extend(self.only_read(work)),
        }
        match ended {
            Ok(rendered) => about.extend(of_answer(rendered)),
            Err(failure) => {
                about.insert("error".into(), json!(failure.to_string()));
                about.extend(failure.code.map(|code| ("code".to_owned(), json!(code.name()))));
            }
        }
        let text = render::pretty(&Json::Object(about));
        if let (Some(recipe), Ok(_)) = (recipe, ended) {
            self.pins().note(&recipe, &text);
        }
        text
    }
}

impl Tree {
    /// What was read, of what cannot be made again.
    fn only_read(&self, work: &Work) -> Option<(String, Json)> {
        let reads = self.reads(work);
        (!reads.is_empty()).then(|| ("sources".to_owned(), pins::sources(&reads)))
    }
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
        ("nodes_fetched".into(), json!(rendered.fetched)),
    ]);
    about
}
