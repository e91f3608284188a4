//! What urls mean, and what the errors say about those that mean nothing.

use super::*;

fn env(vars: &[(&str, &str)]) -> Settings {
    let env = vars.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Settings { env, ..Settings::default() }
}

#[track_caller]
fn check(url: &str, canonical: &str) {
    assert_eq!(canonical_url(url).unwrap(), canonical);
    assert_eq!(canonical_url(canonical).unwrap(), canonical, "again");
}

#[track_caller]
fn check_error(url: &str, part: &str) {
    let error = open(url, &Settings::default()).unwrap_err();
    assert!(error.to_string().contains(part), "{error}");
}

#[test]
fn one_name_for_each_place() {
    let here = std::fs::canonicalize(".").unwrap();
    let here = here.display();
    check("/nowhere/at-all/", "/nowhere/at-all");
    check("file:///nowhere/a%20b", "/nowhere/a b");
    check("file:/nowhere", "/nowhere");
    check("some-store", &format!("{here}/some-store"));
    check("./a:b", &format!("{here}/a:b"));
    check(".", &here.to_string());
    check("memory:", "memory:");
    check("memory://x", "memory:x");
    check("S3://Team-A/catalog//", "s3://Team-A/catalog");
    check("s3://team-a", "s3://team-a");
    check("gs://bucket/a/b", "gs://bucket/a/b");
    check("https://me:secret@Example.com/data/", "https://example.com/data");
    check("sqlite:///nowhere/a.db", "sqlite:///nowhere/a.db");
    check("SQLITE:///nowhere/a.sqlite3/team/x/", "sqlite:///nowhere/a.sqlite3/team/x");
    check("sqlite:a.db", &format!("sqlite://{here}/a.db"));
    check("postgresql://me:secret@host:5432/facts/team-a/", "postgres://me@host/facts/team-a");
    check("postgres://host/f?sslmode=require", "postgres://host/f?sslmode=require");
    check("abfss://box@team.dfs.core.windows.net/x", "abfss://box@team.dfs.core.windows.net/x");
}

#[test]
fn links_lead_to_one_name() {
    let dir = tempfile::tempdir().unwrap();
    let root = std::fs::canonicalize(dir.path()).unwrap();
    std::fs::create_dir(root.join("real")).unwrap();
    std::os::unix::fs::symlink(root.join("real"), root.join("link")).unwrap();
    let name = |path: &str| canonical_url(&root.join(path).display().to_string()).unwrap();
    assert_eq!(name("link/new"), name("real/../real/new"));
}

#[test]
fn memory_is_shared_by_name() {
    let settings = Settings::default();
    let [a, b, c] =
        ["memory:shared", "memory:shared", "memory:other"].map(|url| open(url, &settings).unwrap());
    let run = |future| futures_run(future);
    run(Box::pin(async move {
        a.put("x", bytes::Bytes::from_static(b"1")).await.unwrap();
        assert_eq!(b.list("").await.unwrap().len(), 1);
        assert_eq!(c.list("").await.unwrap().len(), 0);
    }));
}

fn futures_run(future: futures::future::BoxFuture<'_, ()>) {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future);
}

#[test]
fn errors_say_what_to_write() {
    check_error("", "no name of a store");
    check_error("s3:bucket", "write s3://bucket/prefix");
    check_error("s3:///prefix", "the bucket is missing");
    check_error("gs://", "the bucket is missing");
    check_error("file://srv/data", "did you mean file:///data ?");
    check_error("s33://bucket", "did you mean s3: ?");
    check_error("htps://host", "did you mean https: ?");
    check_error("gopher://x", "known are /path");
    check_error("sqlite:///srv/facts", "ends with one of .db, .sqlite, .sqlite3");
    check_error("sqlite:///srv/a.db/b c", "a prefix has letters");
    check_error("postgres://me@host", "the name of the database is missing");
    check_error("postgres://me@host/db?password=x", "?password is not known here");
    check_error("postgres://me@host/db?sslmode=prefer", "lets the network decide");
    check_error("postgres://host/db", "who asks?");
    check_error("https://host/x?token=1", "no ?query");
}

#[test]
fn missing_credentials_are_told_at_once() {
    let before = std::time::Instant::now();
    check_error("s3://bucket/x", "no AWS credentials in the environment: set AWS_ACCESS_KEY_ID");
    check_error("gs://bucket/x", "gcloud auth application-default login");
    check_error("az://box/x", "set AZURE_STORAGE_ACCOUNT_NAME");
    assert!(before.elapsed().as_secs() < 2);
    let half = env(&[("AWS_ACCESS_KEY_ID", "a")]);
    let error = open("s3://bucket/x", &half).unwrap_err();
    assert!(error.to_string().contains("must both be set"), "{error}");
    assert_eq!(error.kind, StoreErrorKind::Denied);
}

#[test]
fn what_cannot_be_sent_is_told() {
    let check = |vars: &[(&str, &str)], part: &str| {
        let mut all = vec![("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b")];
        all.extend_from_slice(vars);
        let error = open("s3://bucket/x", &env(&all)).unwrap_err();
        assert!(error.reason.contains(part), "{error}");
    };
    check(&[("AWS_ENDPOINT_URL", "localhost:9000")], "write http://");
    check(&[("AWS_REGION", "a b")], "no region");
    check(&[("AWS_SESSION_TOKEN", "x\ny")], "AWS_SESSION_TOKEN has characters");
}

#[test]
fn credentials_open_without_a_request() {
    let aws = env(&[("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b")]);
    assert_eq!(open("s3://bucket/x/", &aws).unwrap().url(), "s3://bucket/x");
    open("s3://bucket", &env(&[("AWS_SKIP_SIGNATURE", "true")])).unwrap();
    open("gs://bucket", &env(&[("GOOGLE_SKIP_SIGNATURE", "true")])).unwrap();
    let azure = env(&[("AZURE_STORAGE_ACCOUNT_NAME", "me"), ("AZURE_SKIP_SIGNATURE", "true")]);
    open("az://box/x", &azure).unwrap();
    let azure = env(&[("AZURE_SKIP_SIGNATURE", "true")]);
    open("abfss://box@me.dfs.core.windows.net/x", &azure).unwrap();
    open("https://example.com/data", &Settings::default()).unwrap();
}
