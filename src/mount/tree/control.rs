//! The files of `.factfs/`: what the mount says about itself.
//!
//! **Invariant:** none of them asks a store or waits for one, so they can be read while stores are
//! out of reach and while queries run.

use super::Tree;
use super::node::ControlFile;
use crate::metrics::{self, Exposition, label};
use crate::source::{Activity, Mounted};
use crate::{journal, render};
use factfs_core::instant;
use serde_json::{Map, Value as Json, json};

impl Tree {
    /// What a file of `.factfs/` says now.
    pub(super) fn control(&self, file: ControlFile) -> String {
        match file {
            ControlFile::Version => format!("factfs {}\n", env!("CARGO_PKG_VERSION")),
            ControlFile::LastError => self.failures.last(),
            ControlFile::Status => status(self),
            ControlFile::Metrics => exposition(self),
            ControlFile::Log => journal::text(),
        }
    }
}

/// `status.json`
fn status(tree: &Tree) -> String {
    let (limits, usage) = (tree.limits(), metrics::usage());
    let stores = tree.stores.iter().map(|(name, mounted)| (name.to_string(), store(tree, mounted)));
    let running = metrics::running();
    let running = running
        .iter()
        .map(|(path, since)| json!({ "path": path, "seconds": seconds(since.as_secs_f64()) }));
    let errors =
        metrics::errors().into_iter().map(|(errno, count)| (errno.to_owned(), json!(count)));
    let status = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "started": instant::format(tree.started_ms),
        "read_only": tree.is_read_only,
        "stores": stores.collect::<Map<_, _>>(),
        "running": running.collect::<Vec<_>>(),
        "waiting": usage.waiting,
        "handles": usage.handles,
        "inodes": usage.inodes,
        "results": {
            "count": usage.results,
            "bytes": usage.results_bytes,
            "limit_bytes": usage.results_limit,
        },
        "limits": {
            "time_seconds": seconds(limits.time.as_secs_f64()),
            "rows": limits.rows,
            "bytes": limits.bytes,
            "memory_bytes": limits.memory_bytes,
            "at_once": limits.at_once,
        },
        "formats": tree.formats.iter().map(|format| format.extension()).collect::<Vec<_>>(),
        "commits": metrics::commits(),
        "errors": errors.collect::<Map<_, _>>(),
    });
    render::pretty(&status)
}

/// To the millisecond.
fn seconds(exact: f64) -> f64 {
    (exact * 1000.0).round() / 1000.0
}

fn store(tree: &Tree, mounted: &Mounted) -> Json {
    let mut about = Map::new();
    about.insert("url".into(), json!(mounted.source.url()));
    about.insert("uuid".into(), json!(mounted.source.uuid().to_string()));
    about.insert("branch".into(), json!(mounted.head_branch()));
    about.extend(mounted.at.as_ref().map(|at| ("at".into(), json!(at))));
    let read_only = tree.check_writable(mounted).err().map(|failure| failure.message);
    about.insert("writable".into(), json!(read_only.is_none()));
    about.extend(read_only.map(|why| ("why_read_only".into(), json!(why))));
    match mounted.source.activity(&mounted.head_branch()) {
        Some(activity) => about.extend(active(&activity)),
        // A database in memory is where it is.
        None => {
            let head = mounted.source.head(&mounted.head_branch()).ok();
            let commit = head.as_ref().and_then(|head| head.commit);
            about.insert("commit".into(), json!(commit.map(|commit| commit.to_string())));
            about.insert("t".into(), json!(head.map(|head| head.db.basis_t().0)));
        }
    }
    Json::Object(about)
}

fn active(activity: &Activity) -> Map<String, Json> {
    let (counts, nodes) = (&activity.counts, &activity.nodes);
    let fields = json!({
        "commit": activity.seen.commit.map(|commit| commit.to_string()),
        "t": activity.seen.db.basis_t().0,
        "instant": activity.seen.instant_ms.map(instant::format),
        "lag_seconds": activity.looked.map(|lag| seconds(lag.as_secs_f64())),
        "poll_seconds": seconds(activity.interval.as_secs_f64()),
        "requests": {
            "rounds": counts.rounds,
            "gets": counts.gets,
            "heads": counts.refs,
            "heads_unchanged": activity.unchanged,
            "polls": activity.polls,
            "puts": counts.puts,
            "swaps": counts.cas,
            "bytes_in": counts.bytes_in,
            "bytes_out": counts.bytes_out,
        },
        "nodes": {
            "count": nodes.entries,
            "bytes": nodes.bytes,
            "limit_bytes": nodes.limit_bytes,
            "hits": nodes.hits,
            "misses": nodes.misses,
        },
        "disk": activity.disk.as_ref().map(|(root, limit_bytes, stats)| json!({
            "folder": root.to_string_lossy(),
            "limit_bytes": limit_bytes,
            "hits": stats.hits,
            "misses": stats.misses,
            "bytes_read": stats.bytes_read,
            "bytes_written": stats.bytes_written,
        })),
    });
    match fields {
        Json::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// `metrics`
fn exposition(tree: &Tree) -> String {
    let mut out = Exposition::default();
    let version = label("version", env!("CARGO_PKG_VERSION"));
    out.add(("factfs_info", "gauge"), "Which factfs serves the mount.", [(version, 1)]);
    let help = "When it was mounted, in seconds since 1970.";
    out.one(("factfs_start_time_seconds", "gauge"), help, tree.started_ms as f64 / 1000.0);
    metrics::write(&mut out);
    let active: Vec<(String, Activity)> = tree
        .stores
        .iter()
        .filter_map(|(name, mounted)| {
            let activity = mounted.source.activity(&mounted.head_branch())?;
            Some((label("store", name), activity))
        })
        .collect();
    for (name, help, of) in STORES {
        let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
        let sample = |(label, activity): &(String, Activity)| (label.clone(), of(activity));
        out.add((name, kind), help, active.iter().map(sample));
    }
    let lag = |(label, activity): &(String, Activity)| {
        Some((label.clone(), seconds(activity.looked?.as_secs_f64())))
    };
    let help = "How long ago the head was looked at.";
    out.add(("factfs_store_lag_seconds", "gauge"), help, active.iter().filter_map(lag));
    out.text()
}

/// A metric of each store: its name, what it is, and how it is read.
type Row = (&'static str, &'static str, fn(&Activity) -> u64);

const STORES: &[Row] = &[
    ("factfs_store_t", "The newest transaction that was seen.", |a| a.seen.db.basis_t().0),
    ("factfs_store_rounds_total", "Waits for the store.", |a| a.counts.rounds),
    ("factfs_store_gets_total", "Objects and ranges asked for.", |a| a.counts.gets),
    ("factfs_store_heads_total", "Looks at heads.", |a| a.counts.refs),
    ("factfs_store_heads_unchanged_total", "Looks that found nothing new.", |a| a.unchanged),
    ("factfs_store_polls_total", "Looks that nobody waited for.", |a| a.polls),
    ("factfs_store_puts_total", "Objects written.", |a| a.counts.puts),
    ("factfs_store_swaps_total", "Compare-and-swaps of heads.", |a| a.counts.cas),
    ("factfs_store_read_bytes_total", "Bytes that came.", |a| a.counts.bytes_in),
    ("factfs_store_written_bytes_total", "Bytes given to be written.", |a| a.counts.bytes_out),
    ("factfs_nodes_cache_hits_total", "Nodes that were in memory.", |a| a.nodes.hits),
    ("factfs_nodes_cache_misses_total", "Nodes that were fetched.", |a| a.nodes.misses),
    ("factfs_nodes_cache_bytes", "Memory for nodes.", |a| a.nodes.bytes),
    ("factfs_disk_cache_hits_total", "Nodes that were on disk.", |a| disk(a).hits),
    ("factfs_disk_cache_misses_total", "Nodes that were not.", |a| disk(a).misses),
];

fn disk(activity: &Activity) -> factfs_store::DiskStats {
    activity.disk.as_ref().map(|(_, _, stats)| *stats).unwrap_or_default()
}
