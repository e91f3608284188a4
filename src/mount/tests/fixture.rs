//! Two stores on disk, mounted.

use factfs_core::conn::CreateOptions;
use factfs_core::edn;
use factfs_store::{Database, Settings, TransactOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// A folder with two stores, and a mount point.
pub struct Fixture {
    folder: tempfile::TempDir,
}

pub const CATALOG: [&str; 3] = [
    r#"[{:db/ident :product/sku :db/valueType :db.type/string :db/cardinality :db.cardinality/one
         :db/unique :db.unique/identity}
        {:db/ident :product/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one}
        {:db/ident :product/price :db/valueType :db.type/long :db/cardinality :db.cardinality/one
         :db/index true}]"#,
    r#"[{:product/sku "c1" :product/name "Chair" :product/price 40}
        {:product/sku "t1" :product/name "Table" :product/price 90}]"#,
    r#"[{:product/sku "c1" :product/price 45}]"#,
];

pub const INVENTORY: [&str; 2] = [
    r#"[{:db/ident :item/sku :db/valueType :db.type/string :db/cardinality :db.cardinality/one
         :db/unique :db.unique/identity}
        {:db/ident :item/count :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]"#,
    r#"[{:item/sku "c1" :item/count 3} {:item/sku "t1" :item/count 0}]"#,
];

pub fn create(path: &Path, transactions: &[&str]) -> Database {
    let settings = Settings::default();
    let url = path.to_str().unwrap();
    let database = Database::create(url, &CreateOptions::default(), &settings).unwrap();
    for text in transactions {
        let form = edn::read_one(text).unwrap();
        database.transact(&form, &TransactOptions::default()).unwrap();
    }
    database
}

impl Fixture {
    /// The stores, not mounted.
    pub fn stores() -> Self {
        let folder = tempfile::tempdir().unwrap();
        create(&folder.path().join("catalog"), &CATALOG);
        create(&folder.path().join("inventory"), &INVENTORY);
        std::fs::create_dir(folder.path().join("m")).unwrap();
        Self { folder }
    }

    /// The stores, mounted by a process of their own.
    pub fn mounted() -> Self {
        let fixture = Self::stores();
        let output = fixture.mount();
        assert!(output.status.success(), "{output:?}");
        fixture
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn point(&self) -> PathBuf {
        self.path().join("m")
    }

    pub fn command(&self, args: &[&str]) -> Output {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(args).current_dir(self.path()).output().unwrap()
    }

    pub fn mount(&self) -> Output {
        self.command(&["mount", "m", "catalog=catalog", "inventory=inventory"])
    }

    pub fn umount(&self) -> Output {
        self.command(&["umount", "m"])
    }

    /// Runs a script in the mount; its standard output.
    #[track_caller]
    pub fn sh(&self, script: &str) -> String {
        let output = self.run("bash", script);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}: {:?} {said}", output.status);
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a script in the mount, however it ends.
    pub fn run(&self, shell: &str, script: &str) -> Output {
        let mut command = Command::new("timeout");
        command.args(["60", shell, "-c", script]).current_dir(self.point());
        command.output().unwrap()
    }

    /// The process that serves the mount.
    pub fn server(&self) -> u32 {
        let status = self.sh("cat .factfs/status.json");
        let status: serde_json::Value = serde_json::from_str(&status).unwrap();
        u32::try_from(status["pid"].as_u64().unwrap()).unwrap()
    }

    pub fn is_mounted(&self) -> bool {
        let path = self.path().canonicalize().unwrap().join("m");
        !factfs_mount::point::mounted_at(&path).is_empty()
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        if self.is_mounted() {
            self.umount();
        }
    }
}

/// Waits until something holds.
#[track_caller]
pub fn eventually(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").args(["-s", name, &pid.to_string()]).status().unwrap();
    assert!(status.success());
}
