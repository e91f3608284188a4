//! What a query asks that cannot have an answer: attributes that a database does not have.
//!
//! **Invariant:** a warning changes no answer. It is told once, however often the form is built.

use super::Operand;
use super::build::Builder;
use crate::nearest::keyword_hint;
use crate::query::bind::Source;
use crate::query::error::Place;
use crate::schema::Schema;
use crate::value::Value;

impl Builder {
    /// Tells of an attribute that the schema does not have.
    pub fn unknown_attribute(&mut self, value: &Value, schema: &Schema, at: &Place) {
        let name = crate::edn::to_string(value);
        let like = name.strip_prefix(':').and_then(|ident| schema.nearest(ident));
        let like = keyword_hint(&like);
        let warning = format!("unknown attribute {name}{like}, in {at}");
        if !self.logical.warnings.contains(&warning) {
            self.logical.warnings.push(warning);
        }
    }

    /// Tells of the attribute of a lookup ref.
    pub fn unknown_lookup(&mut self, source: usize, value: &Value, at: &Place) {
        if let Value::Vector(pair) | Value::List(pair) = value
            && let [attribute @ Value::Keyword(_), _] = pair.as_ref()
        {
            self.unknown(source, attribute, at);
        }
    }

    /// Tells of the attributes in `(get-else $ e :attribute ...)` and its like.
    pub fn unknown_arguments(&mut self, args: &[Operand], at: &Place) {
        let [Operand::Source(source), entity, attributes @ ..] = args else { return };
        if let Operand::Const(value) = entity {
            self.unknown_lookup(*source, value, at);
        }
        for attribute in attributes {
            if let Operand::Const(value @ Value::Keyword(_)) = attribute {
                self.unknown(*source, value, at);
            }
        }
    }

    fn unknown(&mut self, source: usize, attribute: &Value, at: &Place) {
        let (Source::Db(db), Value::Keyword(ident)) = (&self.logical.sources[source], attribute)
        else {
            return;
        };
        let schema = db.schema().clone();
        let forward = ident.forward();
        let is_known = |name: &str| schema.attr(name).is_some();
        if !is_known(ident.as_str()) && !forward.is_some_and(|name| is_known(name.as_str())) {
            self.unknown_attribute(attribute, &schema, at);
        }
    }
}
