//! The texts that the mount says about itself.
//!
//! **Invariant:** the examples name what is mounted here, and work as they stand.

use super::{Tree, by};
use crate::error::visible;
use crate::render;
use crate::source::Mounted;
use factfs_core::db::Db;
use factfs_core::schema::{Attribute, ValueType};
use factfs_core::value::Keyword;
use std::sync::Arc;

/// `query/README`
pub(super) const QUERY: &str = "\
A query written as a path: TEXT.FORMAT, where TEXT is the query.

  cat 'query/[:find (count ?e) . :where [?e :db/ident]].txt'

The shell and the kernel change some texts before they arrive here: `//` becomes `/`, and `/./` and
`/../` are followed. In strings write %2F for a slash, %2E for a dot and %25 for a percent sign; any
other % is itself. Quote the path for the shell.

Formats: csv tsv json jsonl edn txt md. TEXT.FORMAT.err says why there is no answer,
TEXT.FORMAT.meta where the answer came from, TEXT.explain by which steps it was found. Longer
queries are better saved as files in queries/.
";

/// `README.md` of the mount.
pub(super) fn mount(tree: &Tree) -> String {
    let mut out = String::from(
        "# Databases as folders\n\nMounted here by factfs. Everything is a file: read with `cat`, \
         search with `grep`. Commands are for this folder: `cd` to it first.\n\n",
    );
    for mounted in tree.stores.values() {
        out.push_str(&about(tree, mounted));
    }
    out.push_str(if tree.is_read_only { READ_ONLY } else { "" });
    out.push_str(&example(tree));
    out.push_str(PLACES);
    out
}

const PLACES: &str = "\
## Where things are

    STORE/head/tables/NS.csv        the entities of a namespace as a table
    STORE/head/entities/EID.edn     one entity; edit it to change it
    STORE/head/by/NS/ATTR/VALUE.edn the entity with a unique value
    STORE/head/schema.edn           the attributes
    STORE/head/query/TEXT.csv       any query, written as the path
    STORE/head/queries/NAME.edn     the team's saved queries
    STORE/head/results/NAME.csv     their results
    STORE/head/transact             write transactions here; transact.err says what went wrong
    STORE/head/transact.json        the same in JSON
    STORE/head/inbox/               copy csv, json or edn here: each file is one transaction;
                                    FILE.result or FILE.err says what came of it
    STORE/at/2026-06/               the same folder as of then; also 7d, a tag, a commit
    STORE/branches/NAME/            the same folder of another branch; mkdir makes one
    STORE/branches/NAME/merge       write the name of a branch here, and it is merged
    STORE/tags/NAME                 a name for a commit: ln -s ../commits/ID STORE/tags/NAME
    STORE/head/.wait                reading it waits until something is committed
    STORE/commits/ID/               one commit, for ever; at/ and tags/ link here
    STORE/log/T.edn                 what a transaction changed
    queries/NAME.edn                queries over all stores, kept on this machine
    results/NAME.csv                their results; json, edn, txt, md and others by the extension
    results/NAME/VALUE.csv          the same, with a value for an input that has none
    results/NAME.explain            the steps of the query, with the rows of each
    at/2026-06/results/NAME.csv     the same results as of then

`query/`, `by/` and `commits/` are reached by name: their names are too many to be listed. When a
file cannot be made, opening it fails, and the file with `.err` after its name says why;
`.factfs/last-error` is the last of them. The file with `.meta` after its name says where an answer
came from, and in `again` under which path of `pins/` it stays as it is; `factfs verify-result`
takes a copy of such a file, makes the answer again, and compares.
";

/// What is said in place of examples that write, where nothing can be written.
const READ_ONLY: &str = "\
This mount is read-only: `transact` and `queries/` can be read, not written.

";

fn about(tree: &Tree, mounted: &Mounted) -> String {
    let name = &mounted.name;
    let mut out = format!("## {name}\n\n{}", visible(&mounted.source.url()));
    if let Err(failure) = tree.check_writable(mounted) {
        out.push_str(&format!(" ({})", visible(&failure.message)));
    }
    out.push_str("\n\n");
    let Ok(head) = tree.head(mounted, &mounted.head_branch()) else {
        out.push_str("It cannot be read now.\n\n");
        return out;
    };
    let has_rows = |ns: &&String| render::table_facts(&head.db, ns).is_ok_and(|facts| facts > 0);
    let namespaces = render::namespaces(&head.db, false);
    let plain = namespaces.iter().filter(|ns| is_plain(ns));
    for ns in plain.filter(has_rows).take(5) {
        let table = by::name_of(ns);
        out.push_str(&format!("    cat {name}/head/tables/{table}.csv\n"));
    }
    if let Some(ident) = made(&head.db).next().map(|a| &a.ident) {
        let query = format!("[:find ?v :where [_ {ident} ?v]]");
        out.push_str(&format!("    cat '{name}/head/query/{query}.txt'\n"));
    } else if namespaces.is_empty() {
        out.push_str(&format!(
            "It is empty. The first thing to write is a schema:\n\n    {}\n",
            schema(name)
        ));
    }
    out.push('\n');
    out
}

fn schema(name: &str) -> String {
    format!(
        "echo '[{{:db/ident :product/sku :db/valueType :db.type/string :db/cardinality \
         :db.cardinality/one :db/unique :db.unique/identity}}]' > {name}/head/transact"
    )
}

/// A query over two stores, if there are two: attributes of one name, else the first ones.
fn example(tree: &Tree) -> String {
    let mut stores = tree.stores.values().filter_map(|mounted| {
        let head = tree.head(mounted, &mounted.head_branch()).ok()?;
        let attributes: Vec<Keyword> = made(&head.db).map(|a| a.ident.clone()).collect();
        (!attributes.is_empty()).then(|| (mounted.name.clone(), attributes))
    });
    let (Some((a, first)), Some((b, second))) = (stores.next(), stores.next()) else {
        return String::new();
    };
    let pairs = first.iter().flat_map(|x| second.iter().map(move |y| (x, y)));
    let same = pairs.clone().find(|(x, y)| x.name() == y.name());
    let Some((x, y)) = same.or_else(|| pairs.clone().next()) else { return String::new() };
    let query = format!("[:find ?v :in ${a} ${b} :where [${a} _ {x} ?v] [${b} _ {y} ?v]]");
    let how = match tree.is_read_only {
        true => "Write it to a file of the folder of queries that is mounted (--queries DIR):\n\n",
        false => "Save it, and read its result in any format:\n\n",
    };
    let example = match tree.is_read_only {
        true => format!("    {query}\n\n"),
        false => {
            format!("    echo '{query}' \\\n      > queries/both.edn\n    cat results/both.csv\n\n")
        }
    };
    format!("## A query over several stores\n\n{how}{example}")
}

/// Whether a shell takes a text for nothing but itself: examples are pasted, and who made a
/// database may mean harm.
fn is_plain(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphanumeric())
        && text.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c))
}

/// The attributes that people made, with names that can stand in an example.
fn made(db: &Db) -> impl Iterator<Item = &Arc<Attribute>> {
    let own = |ns: &str| ns == "db" || ns.starts_with("db.") || ns == "factfs.query";
    let named = move |a: &&Arc<Attribute>| {
        a.ident.namespace().is_some_and(|ns| !own(ns) && is_plain(ns) && is_plain(a.ident.name()))
    };
    db.schema().attributes().filter(named)
}

/// An attribute of text that anything may have more of: an example with it can be committed.
fn text_attribute(db: &Db) -> Option<Keyword> {
    let is_text = |a: &&Arc<Attribute>| {
        a.value_type == Some(ValueType::String) && a.unique.is_none() && a.preds.is_empty()
    };
    made(db).find(is_text).map(|a| a.ident.clone())
}

/// What reading `transact`, or `transact.json`, alone says.
pub(super) fn transact(tree: &Tree, mounted: &Mounted, branch: &str, is_edn: bool) -> String {
    let name = &mounted.name;
    let head = tree.head(mounted, branch).ok();
    let fact = head.as_ref().and_then(|head| text_attribute(&head.db));
    let writable = match tree.check_writable(mounted) {
        Ok(()) => String::new(),
        Err(failure) => format!(";; {}\n", failure.to_string().replace('\n', "\n;; ")),
    };
    if !is_edn {
        let ident = fact.as_ref().map_or("db/doc", Keyword::as_str);
        return format!(
            ";; Write transactions in JSON here: each is an array of forms or an object.\n\
             ;;   echo '{{\"{ident}\": \"some text\"}}' > {name}/branches/{branch}/transact.json\n\
             ;; A write that completes one commits it or fails; transact.json.err says why.\n\
             {writable}"
        );
    }
    let example = match fact {
        Some(ident) => format!("'[[:db/add \"new\" {ident} \"some text\"]]'"),
        None => "'[[:db/add \"new\" :db/doc \"some text\"]]'".to_owned(),
    };
    format!(
        ";; Write transactions here: each form is one, a vector of forms or a map.\n\
         ;;   echo {example} > {name}/branches/{branch}/transact\n\
         ;; A write that completes a form commits it or fails; transact.err says why.\n\
         ;; Opened for reading and writing, the reports can be read back.\n{writable}"
    )
}
