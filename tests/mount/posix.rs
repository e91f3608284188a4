//! What calls answer on a mount, one by one, in the manner of pjdfstest: queries are files like any
//! others, all that is made from a database refuses to be changed, and nothing is half done.
//!
//! Folders that take names of their own (`branches`, `tags`, `pins`, `inbox`) and `transact` are
//! shown where they are made.

use super::{Mount, can_mount, place};
use crate::support::Place;
use rustix::fs::{self as os, AtFlags, Mode, OFlags, Timespec, Timestamps};
use rustix::io::Errno;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

fn mounted() -> Option<(Place, Mount)> {
    let place = can_mount().then(place)?;
    place.ok(&["transact", "db", "[{:w/key \"a\" :w/n 1}]"], "");
    let mount = Mount::new(&place, "m", &["stock=db"]);
    Some((place, mount))
}

/// Whether it says that this cannot be changed.
fn is_refusal(errno: Errno) -> bool {
    [Errno::ROFS, Errno::PERM, Errno::ACCESS, Errno::NOTSUP].contains(&errno)
}

type Attempt = (&'static str, fn(&Path) -> Result<(), Errno>);

fn done(result: std::io::Result<()>) -> Result<(), Errno> {
    result.map_err(|error| Errno::from_io_error(&error).unwrap())
}

/// What changes a file.
const ON_FILES: &[Attempt] = &[
    ("open to write", |path| done(OpenOptions::new().write(true).open(path).map(drop))),
    ("open to read and write", |path| {
        done(OpenOptions::new().read(true).write(true).open(path).map(drop))
    }),
    ("append", |path| done(OpenOptions::new().append(true).open(path).map(drop))),
    ("open to truncate", |path| done(File::create(path).map(drop))),
    ("truncate", |path| {
        let path = path.to_str().unwrap();
        let status = std::process::Command::new("truncate").args(["-s", "0", path]).output();
        if status.unwrap().status.success() { Ok(()) } else { Err(Errno::ROFS) }
    }),
    ("chmod", |path| done(fs::set_permissions(path, fs::Permissions::from_mode(0o777)))),
    ("chown", |path| {
        let to = Some(os::Uid::from_raw(1));
        os::chownat(os::CWD, path, to, None, AtFlags::empty())
    }),
    ("utimes", |path| {
        let time = Timespec { tv_sec: 1, tv_nsec: 0 };
        let times = Timestamps { last_access: time, last_modification: time };
        os::utimensat(os::CWD, path, &times, AtFlags::empty())
    }),
    ("unlink", |path| os::unlink(path)),
    ("rename", |path| os::rename(path, path.with_file_name("other"))),
    ("link", |path| os::link(path, path.with_file_name("other"))),
    ("set an extended attribute", |path| {
        os::setxattr(path, "user.a", b"x", os::XattrFlags::empty())
    }),
    ("allocate", |path| {
        let file = os::open(path, OFlags::RDWR, Mode::empty())?;
        os::fallocate(file, os::FallocateFlags::empty(), 0, 100)
    }),
];

/// What changes a folder.
const IN_FOLDERS: &[Attempt] = &[
    ("create", |path| done(File::create_new(path.join("new")).map(drop))),
    ("mkdir", |path| os::mkdir(path.join("new"), Mode::RWXU)),
    ("symlink", |path| os::symlink("x", path.join("new"))),
    ("mknod", |path| os::mknodat(os::CWD, path.join("new"), os::FileType::Fifo, Mode::RWXU, 0)),
    ("rmdir", |path| os::rmdir(path)),
    ("rename a folder", |path| os::rename(path, path.with_file_name("other"))),
    ("chmod", |path| done(fs::set_permissions(path, fs::Permissions::from_mode(0o777)))),
];

#[test]
fn what_is_made_from_a_database_refuses_to_be_changed() {
    let Some((_place, mount)) = mounted() else { return };
    let commit = fs::read_link(mount.path("stock/commits/2")).unwrap();
    let commit = format!("stock/commits/{}", commit.display());
    let entity = mount.shell("ls stock/head/by/w/key/a.edn").stdout;
    let mut files = vec!["README.md".to_owned(), "stock/store.json".into(), entity.trim().into()];
    for folder in ["stock/branches/main", &commit] {
        for file in ["snapshot.json", "schema.edn", "tables/w.csv", "datoms.edn"] {
            files.push(format!("{folder}/{file}"));
        }
    }
    files.extend(["results/keys.csv".into(), "stock/branches/main/log/2.edn".into()]);
    for file in &files {
        let (path, before) = (mount.path(file), mount.read(file).unwrap());
        for (what, attempt) in ON_FILES {
            let refused = attempt(&path);
            assert!(refused.is_err_and(is_refusal), "{what} of {file}: {refused:?}");
        }
        assert_eq!(mount.read(file).unwrap(), before, "{file}");
    }
    let folders = ["stock/branches/main/tables", "stock/branches/main/results", &commit, "results"];
    for folder in folders {
        let list = || mount.shell(&format!("ls -a {folder}")).stdout;
        let before = list();
        for (what, attempt) in IN_FOLDERS {
            let refused = attempt(&mount.path(folder));
            assert!(refused.is_err_and(is_refusal), "{what} in {folder}: {refused:?}");
        }
        assert_eq!(list(), before);
    }
}

#[test]
fn errors_are_those_of_any_file_system() {
    let Some((_place, mount)) = mounted() else { return };
    let head = mount.path("stock/branches/main");
    let errno = |path: &Path| Mount::errno(fs::metadata(path).map(drop));
    assert_eq!(errno(&head.join("x".repeat(256))), Errno::NAMETOOLONG);
    assert_eq!(errno(&head.join("none")), Errno::NOENT);
    assert_eq!(errno(&head.join("none/none")), Errno::NOENT);
    assert_eq!(errno(&head.join("schema.edn/x")), Errno::NOTDIR);
    assert_eq!(errno(&mount.path(&"a/".repeat(3000))), Errno::NAMETOOLONG);
    assert_eq!(os::unlink(&head).unwrap_err(), Errno::ISDIR);
    assert_eq!(os::rmdir(head.join("schema.edn")).unwrap_err(), Errno::NOTDIR);
    assert_eq!(Mount::errno(fs::create_dir(&head)), Errno::EXIST);
    assert_eq!(Mount::errno(File::create_new(head.join("schema.edn"))), Errno::EXIST);
    assert_eq!(Mount::errno(File::create(&head)), Errno::ISDIR);
    assert_eq!(Mount::errno(fs::read(&head)), Errno::ISDIR);
    assert_eq!(Mount::errno(fs::read_dir(head.join("schema.edn"))), Errno::NOTDIR);
    assert_eq!(Mount::errno(fs::read_link(head.join("schema.edn"))), Errno::INVAL);
    let no_follow = OFlags::RDONLY | OFlags::NOFOLLOW;
    assert_eq!(
        os::open(mount.path("stock/head"), no_follow, Mode::empty()).unwrap_err(),
        Errno::LOOP
    );
    let folder = OFlags::RDONLY | OFlags::DIRECTORY;
    assert_eq!(
        os::open(head.join("schema.edn"), folder, Mode::empty()).unwrap_err(),
        Errno::NOTDIR
    );
    let moved = Mount::errno(fs::rename(mount.path("queries/keys.edn"), head.join("x")));
    assert!(is_refusal(moved) || moved == Errno::XDEV, "{moved}");
}

#[test]
fn files_are_read_from_anywhere() {
    let Some((_place, mount)) = mounted() else { return };
    let path = mount.path("stock/branches/main/datoms.edn");
    let whole = fs::read(&path).unwrap();
    let mut file = File::open(&path).unwrap();
    let meta = file.metadata().unwrap();
    assert_eq!((meta.len(), meta.nlink(), meta.is_file()), (whole.len() as u64, 1, true));
    assert_eq!(meta.permissions().mode() & 0o222, 0, "nobody may write it");
    assert_eq!(file.seek(SeekFrom::End(-3)).unwrap(), whole.len() as u64 - 3);
    let mut end = Vec::new();
    file.read_to_end(&mut end).unwrap();
    assert_eq!(end, whole[whole.len() - 3..]);
    let mut some = [0; 10];
    assert_eq!(file.read_at(&mut some, whole.len() as u64 + 99).unwrap(), 0);
    assert_eq!(file.read_at(&mut some, 5).unwrap(), 10);
    assert_eq!(some, whole[5..15]);
    assert_eq!(fs::metadata(&path).unwrap().ino(), meta.ino(), "the same file");
    // Through another descriptor, and after the first is closed.
    let again = file.try_clone().unwrap();
    drop(file);
    assert_eq!(again.read_at(&mut some, 0).unwrap(), 10);
    let folder = fs::metadata(mount.path("stock/branches/main")).unwrap();
    assert!(folder.is_dir() && folder.nlink() >= 2);
    let link = fs::symlink_metadata(mount.path("stock/head")).unwrap();
    let target = fs::read_link(mount.path("stock/head")).unwrap();
    assert_eq!(link.len() as usize, target.as_os_str().len());
}

/// Everything that one does with files, on saved queries.
fn a_file_like_any_other(mount: &Mount, folder: &str) {
    let path = |name: &str| mount.path(&format!("{folder}/{name}"));
    let file = path("q.edn");
    let mut made = OpenOptions::new();
    let mut made = made.write(true).create_new(true).mode(0o600).open(&file).unwrap();
    made.write_all(b"[:find ?x]").unwrap();
    made.flush().unwrap();
    drop(made);
    assert_eq!(fs::read(&file).unwrap(), b"[:find ?x]");
    assert_eq!(Mount::errno(File::create_new(&file)), Errno::EXIST);
    // Appended, written in the middle, cut, made longer.
    OpenOptions::new().append(true).open(&file).unwrap().write_all(b" ;").unwrap();
    let open = OpenOptions::new().read(true).write(true).open(&file).unwrap();
    open.write_all_at(b"y", 8).unwrap();
    assert_eq!(fs::read(&file).unwrap(), b"[:find ?y] ;");
    open.set_len(5).unwrap();
    open.set_len(7).unwrap();
    let mut all = vec![0; 20];
    assert_eq!(open.read_at(&mut all, 0).unwrap(), 7);
    assert_eq!(&all[..7], b"[:fin\0\0");
    open.set_len(0).unwrap();
    open.write_all_at(b"[:find ?z]", 0).unwrap();
    open.sync_all().unwrap();
    assert_eq!(open.metadata().unwrap().len(), 10);
    drop(open);
    // Truncated by opening it.
    File::create(&file).unwrap().write_all(b"[:find ?w]\n").unwrap();
    assert_eq!(fs::metadata(&file).unwrap().len(), 11);
    // Another name, over another file, and back: as editors save.
    fs::rename(&file, path("r.edn")).unwrap();
    assert_eq!(Mount::errno(fs::read(&file)), Errno::NOENT);
    fs::write(path("s.edn"), "[:find ?s]\n").unwrap();
    fs::rename(path("r.edn"), path("s.edn")).unwrap();
    assert_eq!(fs::read(path("s.edn")).unwrap(), b"[:find ?w]\n");
    assert_eq!(Mount::errno(fs::rename(path("none.edn"), path("t.edn"))), Errno::NOENT);
    // What is open stays readable when its name goes.
    let open = File::open(path("s.edn")).unwrap();
    fs::remove_file(path("s.edn")).unwrap();
    assert_eq!(Mount::errno(fs::read(path("s.edn"))), Errno::NOENT);
    let mut text = String::new();
    (&open).read_to_string(&mut text).unwrap();
    assert_eq!(text, "[:find ?w]\n");
    assert_eq!(Mount::errno(fs::remove_file(path("s.edn"))), Errno::NOENT);
    assert_eq!(Mount::errno(fs::write(path(&"x".repeat(256)), "")), Errno::NAMETOOLONG);
    // Any name is scratch, as editors need; it goes with its last use or its removal.
    fs::write(path(".q.edn.swp"), "scratch").unwrap();
    assert_eq!(fs::read(path(".q.edn.swp")).unwrap(), b"scratch");
    fs::remove_file(path(".q.edn.swp")).unwrap();
    for (what, attempt) in &IN_FOLDERS[1..4] {
        let refused = attempt(&mount.path(folder));
        assert!(refused.is_err_and(is_refusal), "{what} in {folder}: {refused:?}");
    }
}

#[test]
fn queries_are_files_like_any_others() {
    let Some((_place, mount)) = mounted() else { return };
    a_file_like_any_other(&mount, "queries");
    a_file_like_any_other(&mount, "stock/branches/main/queries");
}

/// The folder of somebody's shell stays what it is, whatever moves.
#[test]
fn folders_stay_what_they_are() {
    let Some((_place, mount)) = mounted() else { return };
    let script = "cd -P stock/head/tables; before=$(stat -c %i .)
                  for n in 1 2 3; do echo \"[{:w/key \\\"$n\\\"}]\" > ../transact; sleep 0.05; done
                  pwd -P; cat w.csv | wc -l; echo $(($(stat -c %i .) - before))
                  echo $(($(stat -c %i $PWD) - before))";
    let ran = mount.shell(script);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(lines[0].ends_with("stock/branches/main/tables"), "{ran:?}");
    assert_eq!(lines[1..], ["5", "0", "0"], "{}", ran.stderr);
}
