//! Files of rows, and things that are none.

use super::*;
use factfs_core::edn;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::fs;
use std::os::unix::fs::symlink;

const NOW_MS: i64 = i64::MAX;

fn rows(file: &LocalFile) -> Result<Vec<String>> {
    let mut rows = Vec::new();
    file.rows(&[], &mut |row| {
        rows.push(edn::to_string(&Value::from(row)));
        Ok(())
    })?;
    Ok(rows)
}

#[track_caller]
fn refused(path: &Path, kind: Kind, text: &str) {
    let failure = Contents::default().look(path, 100, NOW_MS).unwrap_err();
    assert_eq!((failure.kind, &*failure.message), (kind, text));
}

#[test]
fn a_file_is_its_content() {
    let folder = tempfile::tempdir().unwrap();
    let (path, contents) = (folder.path().join("p.csv"), Contents::default());
    fs::write(&path, "a,b\n1,x\n").unwrap();
    let one = contents.look(&path, 100, NOW_MS).unwrap();
    assert_eq!((one.bytes, one.format), (8, Format::Csv));
    assert_eq!(one.blake3, NodeHash::of(b"a,b\n1,x\n").to_string());
    assert_eq!(rows(&one).unwrap(), ["[1 \"x\"]"]);
    // Another name for the same.
    let link = folder.path().join("link.csv");
    symlink("./p.csv", &link).unwrap();
    assert_eq!(contents.look(&link, 100, NOW_MS).unwrap().blake3, one.blake3);
    fs::write(&path, "a,b\n2,x\n").unwrap();
    assert_eq!(rows(&one).unwrap_err().kind, Kind::Stale);
    assert_ne!(Contents::default().look(&path, 100, NOW_MS).unwrap().blake3, one.blake3);
}

#[test]
fn what_was_written_just_now_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let (path, contents) = (folder.path().join("p.csv"), Contents::default());
    fs::write(&path, "a\n1\n").unwrap();
    let times = fs::metadata(&path).unwrap().modified().unwrap();
    let one = contents.look(&path, 100, 0).unwrap();
    fs::write(&path, "a\n2\n").unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(times).unwrap();
    assert_ne!(contents.look(&path, 100, 0).unwrap().blake3, one.blake3);
}

#[test]
fn only_a_regular_file_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let shown = |name: &str| at(name).display().to_string();
    let missing = format!("{}: there is no such file", shown("none.csv"));
    refused(&at("none.csv"), Kind::NotFound, &missing);
    fs::create_dir(at("folder.csv")).unwrap();
    let text = format!("{} is a folder, and no regular file", shown("folder.csv"));
    refused(&at("folder.csv"), Kind::Invalid, &text);
    let mode = Mode::from_raw_mode(0o600);
    mknodat(CWD, at("fifo.csv"), FileType::Fifo, mode, 0).unwrap();
    let text = format!("{} is a FIFO, and no regular file", shown("fifo.csv"));
    refused(&at("fifo.csv"), Kind::Invalid, &text);
    symlink("/dev/null", at("null.csv")).unwrap();
    let text = format!("{} is a device, and no regular file", shown("null.csv"));
    refused(&at("null.csv"), Kind::Invalid, &text);
    symlink("loop.csv", at("loop.csv")).unwrap();
    assert_eq!(
        Contents::default().look(&at("loop.csv"), 100, NOW_MS).unwrap_err().kind,
        Kind::NotFound
    );
    let text = format!("{}: its name does not say which format it has", shown("p.xlsx"));
    refused(&at("p.xlsx"), Kind::Invalid, &text);
    fs::write(at("large.csv"), "a\n".repeat(51)).unwrap();
    let text = format!("{} has more than 100 bytes", shown("large.csv"));
    refused(&at("large.csv"), Kind::TooLarge, &text);
}

#[test]
fn a_path_begins_in_the_folder_of_the_queries() {
    let base = Some(Path::new("/q"));
    let path = |text: &str| absolute(path_in(text).unwrap(), base).unwrap();
    assert_eq!(path("file:p.csv"), Path::new("/q/p.csv"));
    assert_eq!(path("file:/a/p.csv"), Path::new("/a/p.csv"));
    assert_eq!(path("file:///a/p.csv"), Path::new("/a/p.csv"));
    assert_eq!(absolute("//host/p.csv", base).unwrap_err().kind, Kind::Invalid);
    assert_eq!(absolute("p.csv", None).unwrap_err().kind, Kind::Invalid);
    assert_eq!(path_in("catalog/at/3"), None);
}
