//! A server of Azurite, Azure Blob Storage in JavaScript, for the time of one test.
//!
//! **Invariant:** it keeps its objects in memory: each server begins empty.

use super::moto::free_port;
use super::{Process, Scratch};
use std::process::{Command, Stdio};

/// The account that every Azurite has, and its key, as documented.
pub const ACCOUNT: &str = "devstoreaccount1";
/// See [`ACCOUNT`].
pub const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// A running server.
pub struct Azurite {
    process: Process,
    _scratch: Scratch,
}

/// Makes a container: there is no other client here that could. What is signed is of the service's
/// documentation (Shared Key).
const MAKE: &str = r#"
const [port, account, key, name] = process.argv.slice(1);
const date = new Date().toUTCString(), version = '2021-08-06';
const path = `/${account}/${account}/${name}\nrestype:container`;
const text = 'PUT' + '\n'.repeat(12) + `x-ms-date:${date}\nx-ms-version:${version}\n${path}`;
const hmac = require('crypto').createHmac('sha256', Buffer.from(key, 'base64'));
const headers = { 'x-ms-date': date, 'x-ms-version': version, 'Content-Length': '0',
  Authorization: `SharedKey ${account}:${hmac.update(text, 'utf8').digest('base64')}` };
const options = { host: '127.0.0.1', port, method: 'PUT', headers,
  path: `/${account}/${name}?restype=container` };
require('http').request(options, (answer) => {
  answer.resume().on('end', () => process.exit(answer.statusCode === 201 ? 0 : 1));
}).end();
"#;

impl Azurite {
    /// Starts one, if `azurite-blob` is on the PATH (or where `FACTFS_TEST_AZURITE` says).
    pub fn start() -> Option<Self> {
        let (port, scratch) = (free_port(), Scratch::new("azurite"));
        let mut command = super::program("FACTFS_TEST_AZURITE", "azurite-blob");
        command.args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string(), "--silent"]);
        command.args(["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"]);
        command.current_dir(scratch.path());
        let process = Process::start("azurite-blob", command, port)?;
        Some(Self { process, _scratch: scratch })
    }

    /// Makes a container.
    pub fn container(&self, name: &str) {
        let port = self.process.port.to_string();
        let mut node = Command::new("node");
        node.args(["-e", MAKE, &port, ACCOUNT, KEY, name]).stdin(Stdio::null());
        assert!(node.status().unwrap().success(), "no container {name}");
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.process.port
    }
}

/// What is set for a client of the server on `port`.
pub fn variables(port: u16) -> [(&'static str, String); 3] {
    [
        ("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT.to_owned()),
        ("AZURE_STORAGE_ACCOUNT_KEY", KEY.to_owned()),
        ("AZURE_STORAGE_ENDPOINT", format!("http://127.0.0.1:{port}/{ACCOUNT}")),
    ]
}
