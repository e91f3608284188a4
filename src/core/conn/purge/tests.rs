//! Erasing, against a model: every branch and every tag is afterwards what a replay of its log
//! without the erased facts is, and no object has anything of them.

mod beside;
mod damage;
mod large;
mod model;
mod names;
mod objects;
mod stops;
mod value;

use super::super::testing::*;
use super::super::tests::time::{Said, check};
use super::super::{AsOf, Collection, Conn, Flush, Options, Retention};
use super::*;
use crate::commit::Frame;
use crate::db::Db;
use crate::id::{AttrId, EntityId, T, Tx};
use crate::store::MemoryStore;
use crate::value::Value;
use crate::verify::verify;
use model::{Line, erased};
use objects::holders;
use std::sync::Arc;

const SCHEMA: &str = "[
    {:db/ident :key :db/valueType :db.type/long :db/unique :db.unique/identity}
    {:db/ident :n :db/valueType :db.type/long :db/index true}
    {:db/ident :name :db/valueType :db.type/string :db/index true}
    {:db/ident :tags :db/valueType :db.type/long :db/cardinality :db.cardinality/many}
    {:db/ident :to :db/valueType :db.type/ref :db/cardinality :db.cardinality/many}
    {:db/ident :part :db/valueType :db.type/ref :db/isComponent true}
    {:db/ident :last :db/valueType :db.type/long :db/noHistory true}
    {:db/ident :pair :db/valueType :db.type/tuple :db/tupleAttrs [:n :name]}
    {:db/ident :link :db/valueType :db.type/tuple :db/tupleAttrs [:part :n]}]";

fn options(dice: &mut Dice) -> Options {
    let tail_bytes = 300 + 400 * dice.below(6) as usize;
    Options { tail_bytes, flush: Flush::Asked, novelty_rows: u64::MAX, ..Options::default() }
}

fn random_tx(dice: &mut Dice) -> String {
    let mut forms = Vec::new();
    for _ in 0..1 + dice.below(4) {
        let (e, v) = (20 + dice.below(6), dice.below(4));
        let a = ["key", "n", "name", "tags", "to", "part", "last"][dice.below(7) as usize];
        let v = match a {
            "to" | "part" => (20 + dice.below(6)).to_string(),
            // Some are long values.
            "name" => format!("\"secret {e} {v} {}\"", "x".repeat([0, 5000][v as usize % 2])),
            _ => v.to_string(),
        };
        forms.push(match dice.below(13) {
            0..=7 => format!("[:db/add {e} :{a} {v}]"),
            8 => format!("[:db/retract {e} :{a} {v}]"),
            9 => format!("[:db/retract {e} :{a}]"),
            10 => format!("[:db/retractEntity {e}]"),
            11 => format!("[:db/add {e} :tags {e}] [:db/retract {e} :tags {e}]"),
            _ => format!("[:db/retract {e} :tags {e}] [:db/add {e} :tags {e}]"),
        });
    }
    format!("[{}]", forms.join(" "))
}

/// Transactions and flushes wherever.
fn go_on(conn: &Conn, dice: &mut Dice, steps: u64) {
    for _ in 0..steps {
        // What is not allowed changes nothing.
        let _ = transact(conn, &random_tx(dice));
        if dice.below(9) == 0 {
            block_on(conn.flush()).unwrap();
        }
    }
}

/// A database with branches and tags at random commits.
fn random_database(dice: &mut Dice) -> (Arc<MemoryStore>, Place) {
    let (store, conn) = fresh(options(dice));
    transact(&conn, SCHEMA).unwrap();
    let place = conn.place().clone();
    let mut conns = vec![conn];
    for round in 0..4 {
        let at = dice.below(conns.len() as u64) as usize;
        let steps = 2 + dice.below(14);
        go_on(&conns[at], dice, steps);
        let opened = conns[at].opened();
        let t = T(1 + dice.below(opened.head.tip.t().0));
        match dice.below(3) {
            0 => block_on(place.create_tag(&format!("tag{round}"), &opened, t, false)).unwrap(),
            1 => {
                let name = format!("branch{round}");
                block_on(place.create_branch(&name, &opened, t)).unwrap();
                conns.push(block_on(conns[0].on_branch(Some(&name))).unwrap());
            }
            _ if dice.below(2) == 0 && conns.len() > 1 => {
                let name = conns.remove(1).branch().unwrap().to_owned();
                block_on(place.delete_branch(&name)).unwrap();
            }
            _ => {
                let asked = Collection { grace_ms: 0, keep: Retention::everything() };
                block_on(place.collect(&asked, &mut |_, _| ())).unwrap();
                conns.iter().for_each(|conn| drop(block_on(conn.refresh()).unwrap()));
            }
        }
    }
    conns.iter().for_each(|conn| go_on(conn, dice, 3));
    (store, place)
}

fn random_erase(dice: &mut Dice, lines: &[Line]) -> Erase {
    let attribute = |name: &str| lines[0].schema.attr(name).unwrap().id;
    let entity = EntityId(20 + dice.below(6));
    match dice.below(7) {
        0 => Erase::Entity(entity),
        4 => {
            let line = &lines[dice.below(lines.len() as u64) as usize];
            let said = line.log.iter().skip(1).flat_map(|entry| &entry.datoms);
            let said = said.filter(|d| d.e.as_tx().is_none()).collect::<Vec<_>>();
            let Some(last) = said.len().checked_sub(1) else { return Erase::Entity(entity) };
            let datom = said[dice.below(last as u64 + 1) as usize];
            let (entity, attribute, value) = (datom.e, datom.a, datom.v.clone());
            Erase::Fact { entity, attribute, value }
        }
        5 => Erase::Several(vec![random_erase(dice, lines), random_erase(dice, lines)]),
        1 => {
            let name = ["key", "n", "name", "tags", "to", "part", "last"][dice.below(7) as usize];
            let entity = (dice.below(2) == 0).then_some(entity);
            Erase::Attribute { attribute: attribute(name), entity }
        }
        _ => {
            let line = &lines[dice.below(lines.len() as u64) as usize];
            Erase::Before(line.log[dice.below(line.log.len() as u64) as usize].instant_ms)
        }
    }
}

/// Branches and tags as they are.
fn lines(place: &Place) -> Vec<Line> {
    let refs = block_on(place.refs()).unwrap();
    let mut lines = Vec::new();
    for (name, branch) in &refs.branches {
        let seen = block_on(place.open_newest(&branch.head, None)).unwrap();
        lines.push(Line::read(place, name, false, &seen.opened));
    }
    for (name, tag) in &refs.tags {
        lines.push(Line::read(place, name, true, &block_on(place.open_tag(tag)).unwrap()));
    }
    for (i, tag) in refs.automatic.iter().enumerate() {
        let opened = block_on(place.open_tag(tag)).unwrap();
        lines.push(Line::read(place, &format!("moment {i}"), true, &opened));
    }
    lines
}

fn is_whole(store: &Arc<MemoryStore>, what: &str) {
    let report = block_on(verify(&place(store), &mut |_| ())).unwrap();
    assert_eq!(report.problems, [], "{what}");
}

/// Each moment of a branch or tag is a replay of what is left.
fn check_line(conn: &Conn, opened: &crate::commit::Opened, left: &Line, what: &str) {
    let said = Said(left.log.iter().map(|entry| (entry.tx, entry.datoms.clone())).collect());
    let db = Db::new(opened.snapshot.clone());
    check(&db, &said.as_of(&db, T(u64::MAX)), what);
    check(&db.history(), &said.history(&db, T(u64::MAX)), what);
    for t in (1..=db.basis_t().0).map(T) {
        for way in [AsOf::Filtered, AsOf::Retained] {
            let what = format!("{what}, as of {t}, {way:?}");
            let db = block_on(conn.as_of_head(opened, t, way)).unwrap();
            check(&db, &said.as_of(&db, t), &what);
            check(&db.history(), &said.history(&db, t), &what);
        }
    }
}

fn check_seed(seed: u64) {
    let mut dice = Dice(seed << 20);
    let (store, at) = random_database(&mut dice);
    let before = lines(&at);
    is_whole(&store, &format!("seed {seed}, before"));
    let erase = random_erase(&mut dice, &before);
    let what = format!("seed {seed}, {erase:?}");
    let left = erased(&before, &erase);
    let dry = block_on(at.purge_dry(&erase, &mut |_, _| ())).unwrap();
    assert_eq!(lines(&at), before, "{what}: a dry run");
    let purge = Purge { erase: erase.clone(), grace_ms: 0 };
    let done = block_on(at.purge(&purge, &mut |_, _| ())).unwrap();
    assert_eq!((done.datoms, &done.heads), (dry.datoms, &dry.heads), "{what}");
    assert_eq!(lines(&at), left, "{what}");
    is_whole(&store, &what);
    let conn = block_on(Conn::open(at.clone(), None, options(&mut dice))).unwrap();
    let refs = block_on(at.refs()).unwrap();
    for line in &left {
        let what = format!("{what}, {}", line.name);
        let opened = match refs.branches.get(&line.name) {
            Some(branch) => block_on(at.open_newest(&branch.head, None)).unwrap().opened,
            None => {
                let moment = line.name.strip_prefix("moment ").map(|i| i.parse::<usize>().unwrap());
                let tag = moment.map_or_else(|| &refs.tags[&line.name], |i| &refs.automatic[i]);
                block_on(at.open_tag(tag)).unwrap()
            }
        };
        let conn = match line.is_tag {
            true => conn.clone(),
            false => block_on(conn.on_branch(Some(&line.name))).unwrap(),
        };
        check_line(&conn, &opened, line, &what);
    }
    if let Erase::Entity(entity) = erase {
        assert_eq!(holders(&store, &format!("secret {entity} ")), Vec::<String>::new(), "{what}");
    }
    let again = block_on(at.purge(&purge, &mut |_, _| ())).unwrap();
    assert_eq!((again.datoms, again.packs), (0, 0), "{what}: again");
    for name in refs.branches.keys() {
        let branch = block_on(conn.on_branch(Some(name))).unwrap();
        go_on(&branch, &mut dice, 6);
        block_on(branch.flush()).unwrap();
    }
    is_whole(&store, &format!("{what}, later"));
}

#[test]
fn what_is_left_is_a_replay_without_what_was_erased() {
    (0..cases(20)).for_each(check_seed);
}
