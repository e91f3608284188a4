//! A database of a PostgreSQL server as a store.
//!
//! **Invariant:** a write that was answered was committed with `synchronous_commit` at least `on`,
//! whatever the role or the database say. A connection that failed in the middle of a call is
//! closed; a call ends within `Settings::request_timeout`.
//!
//! Statements are sent without names, one round each, so a pooler between may give each to another
//! connection (pgbouncer in any mode). It must be polled inside a tokio runtime with time and I/O.
//! One object has at most 1 GB. What it cannot see is `fsync = off` in the server's configuration
//! being switched on and off; a server that says `off` is refused for writing.

mod address;
mod errors;
mod tls;

use super::idle::Idle;
use super::{Over, Table, Tagged, Wrote};
use crate::key;
use crate::settings::Settings;
use bytes::Bytes;
use errors::Asked;
use factfs_core::store::{BoxFuture, Fetch, Listed, StoreError, StoreErrorKind};
use futures::future::try_join_all;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, Error, NoTls, Row};

pub(crate) use address::Address;

/// `EXTERNAL`: not compressed, since it is already; so part of an object is read without the rest.
const CREATE: &str = "CREATE TABLE IF NOT EXISTS factfs_objects (
    place text COLLATE \"C\" NOT NULL, name text COLLATE \"C\" NOT NULL, tag text NOT NULL,
    modified_ms bigint NOT NULL, bytes bytea NOT NULL, PRIMARY KEY (place, name));
    ALTER TABLE factfs_objects ALTER COLUMN bytes SET STORAGE EXTERNAL";

/// What each connection begins with: no role or database makes a commit less than durable.
const BEGIN: &str = "SELECT current_setting('fsync'), set_config('synchronous_commit',
    CASE WHEN current_setting('synchronous_commit') IN ('off', 'local') THEN 'on'
    ELSE current_setting('synchronous_commit') END, false)";

/// The clock of the server, in milliseconds.
const NOW_MS: &str = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint";

/// One place in one database of a server.
#[derive(Debug)]
pub(crate) struct Postgres {
    config: Config,
    tls: Option<tls::Tls>,
    place: String,
    url: String,
    timeout: Duration,
    idle: Idle<Client>,
    /// Something was read: when a write is refused, the place can be called read-only.
    has_read: AtomicBool,
    /// The server says that it does not sync.
    forgets: AtomicBool,
}

type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

impl Postgres {
    pub(crate) fn new(
        address: &Address,
        url: String,
        settings: &Settings,
    ) -> Result<Self, StoreError> {
        let open = |(kind, reason): (_, String)| StoreError::new(kind, &url, "open", reason);
        let (config, tls) = address.config(settings).map_err(open)?;
        let place = address.place.clone();
        let timeout = settings.request_timeout;
        let (has_read, forgets) = (AtomicBool::new(false), AtomicBool::new(false));
        Ok(Self { config, tls, place, url, timeout, idle: Idle::new(), has_read, forgets })
    }

    async fn connect(&self) -> Result<Client, Error> {
        let client = match &self.tls {
            Some(tls) => {
                let (client, connection) = self.config.connect(tls.clone()).await?;
                tokio::spawn(serve(connection));
                client
            }
            None => {
                let (client, connection) = self.config.connect(NoTls).await?;
                tokio::spawn(serve(connection));
                client
            }
        };
        let row = client.query_typed(BEGIN, &[]).await?;
        let fsync: Option<&str> = row.first().map(|row| row.try_get(0)).transpose()?;
        self.forgets.store(fsync == Some("off"), Ordering::Relaxed);
        Ok(client)
    }

    async fn client(&self) -> Result<Client, Error> {
        while let Some(client) = self.idle.take() {
            if !client.is_closed() {
                return Ok(client);
            }
        }
        self.connect().await
    }

    /// One statement within the time that a request may take.
    async fn ask(
        &self,
        object: &str,
        asked: Asked,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, Failed> {
        let call = async {
            let client = self.client().await.map_err(|e| (e, false))?;
            if asked == Asked::Write && self.forgets.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let rows = client.query_typed(sql, parameters).await.map_err(|e| (e, true))?;
            self.idle.give(client);
            Ok(Some(rows))
        };
        match tokio::time::timeout(self.timeout, call).await {
            Ok(Ok(Some(rows))) => {
                self.has_read.store(true, Ordering::Relaxed);
                Ok(rows)
            }
            Ok(Ok(None)) => {
                let reason = "the server runs with fsync = off: it may forget what it acknowledged";
                Err(self.refused(StoreErrorKind::ReadOnly, object, reason))
            }
            Ok(Err((error, sent))) => {
                let no_table = error.code() == Some(&SqlState::UNDEFINED_TABLE);
                let unclear = sent && !errors::refused(&error);
                let lost = error.code() == Some(&SqlState::T_R_SERIALIZATION_FAILURE);
                let has_read = self.has_read.load(Ordering::Relaxed);
                let error = errors::failed(&self.url, object, asked, has_read, error);
                Err(Failed { error, no_table, unclear, lost })
            }
            Err(_) => {
                let reason = "did not answer in time";
                let failed = self.refused(StoreErrorKind::Unavailable, object, reason);
                Err(Failed { unclear: true, ..failed })
            }
        }
    }

    fn refused(&self, kind: StoreErrorKind, object: &str, reason: &str) -> Failed {
        let error = StoreError::new(kind, &self.url, object, reason);
        Failed { error, no_table: false, unclear: false, lost: false }
    }

    /// The same for reading, where no table is no rows.
    async fn rows(
        &self,
        object: &str,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        match self.ask(object, Asked::Read, sql, parameters).await {
            Err(Failed { no_table: true, .. }) => Ok(Vec::new()),
            other => other.map_err(|failed| failed.error),
        }
    }

    async fn create(&self, object: &str) -> Result<(), StoreError> {
        let failed = |error| errors::failed(&self.url, object, Asked::Write, false, error);
        let call = async {
            let client = self.client().await?;
            let created = client.batch_execute(CREATE).await;
            self.idle.give(client);
            created
        };
        match tokio::time::timeout(self.timeout, call).await {
            Ok(Ok(())) => Ok(()),
            // Somebody else made it at the same moment: the statement after this one will tell.
            Ok(Err(e)) if errors::is_there_already(&e) => Ok(()),
            Ok(Err(error)) => Err(failed(error)),
            Err(_) => Err(self
                .refused(StoreErrorKind::Unavailable, object, "did not answer in time")
                .error),
        }
    }

    async fn one(&self, what: &Fetch) -> Result<Bytes, StoreError> {
        const WHOLE: &str = "SELECT bytes, octet_length(bytes) FROM factfs_objects
            WHERE place = $1 AND name = $2";
        const PART: &str = "SELECT substring(bytes FROM $3 FOR $4), octet_length(bytes)
            FROM factfs_objects WHERE place = $1 AND name = $2";
        let mut parameters: Vec<Parameter<'_>> =
            vec![(&self.place, Type::TEXT), (&what.key, Type::TEXT)];
        let range = what.range.clone().unwrap_or_default();
        // Beyond 2 GB is past the end of any object here: the server says its length.
        let number = |n: u64| i32::try_from(n).unwrap_or(i32::MAX - 1);
        let from = number(range.start) + 1;
        let length = number(range.end - range.start).min(i32::MAX - from);
        let sql = match &what.range {
            None => WHOLE,
            Some(_) => {
                parameters.push((&from, Type::INT4));
                parameters.push((&length, Type::INT4));
                PART
            }
        };
        let rows = self.rows(&what.key, sql, &parameters).await?;
        let Some(row) = rows.first() else {
            let reason = "there is no such object";
            return Err(StoreError::new(StoreErrorKind::NotFound, &self.url, &what.key, reason));
        };
        let bytes: Vec<u8> = self.column(row, 0, &what.key)?;
        let total: i32 = self.column(row, 1, &what.key)?;
        let total = u64::from(total.unsigned_abs());
        if what.range.is_some() && range.end > total {
            return Err(key::past_the_end(&self.url, what, Some(total)));
        }
        Ok(bytes.into())
    }

    async fn row(&self, name: &str, unless: Option<String>) -> Result<Tagged, StoreError> {
        const SQL: &str = "SELECT tag, CASE WHEN tag = $3 THEN NULL ELSE bytes END
            FROM factfs_objects WHERE place = $1 AND name = $2";
        let parameters: [Parameter<'_>; 3] =
            [(&self.place, Type::TEXT), (&name, Type::TEXT), (&unless, Type::TEXT)];
        let rows = self.rows(name, SQL, &parameters).await?;
        let Some(row) = rows.first() else { return Ok(Tagged::Absent) };
        let bytes: Option<Vec<u8>> = self.column(row, 1, name)?;
        let Some(bytes) = bytes else { return Ok(Tagged::Unchanged) };
        Ok(Tagged::Found { bytes: bytes.into(), tag: self.column(row, 0, name)? })
    }

    async fn change(
        &self,
        name: &str,
        over: &Over,
        tag: &str,
        bytes: &[u8],
    ) -> Result<Wrote, StoreError> {
        let insert = format!(
            "INSERT INTO factfs_objects (place, name, tag, modified_ms, bytes)
             VALUES ($1, $2, $3, {NOW_MS}, $4) ON CONFLICT (place, name) DO"
        );
        let sql = match over {
            Over::Anything => format!(
                "{insert} UPDATE SET tag = $3, modified_ms = {NOW_MS}, bytes = $4 RETURNING 1"
            ),
            Over::Nothing => format!("{insert} NOTHING RETURNING 1"),
            Over::Tag(_) => format!(
                "UPDATE factfs_objects SET tag = $3, modified_ms = {NOW_MS}, bytes = $4
                 WHERE place = $1 AND name = $2 AND tag = $5 RETURNING 1"
            ),
        };
        let mut parameters: Vec<Parameter<'_>> = vec![
            (&self.place, Type::TEXT),
            (&name, Type::TEXT),
            (&tag, Type::TEXT),
            (&bytes, Type::BYTEA),
        ];
        if let Over::Tag(old) = over {
            parameters.push((old, Type::TEXT));
        }
        let mut answer = self.ask(name, Asked::Write, &sql, &parameters).await;
        if matches!(&answer, Err(Failed { no_table: true, .. })) {
            if matches!(over, Over::Tag(_)) {
                return Ok(Wrote::No);
            }
            self.create(name).await?;
            answer = self.ask(name, Asked::Write, &sql, &parameters).await;
        }
        match answer {
            Ok(rows) if rows.is_empty() => Ok(Wrote::No),
            Ok(_) => Ok(Wrote::Yes),
            // A server that is set to a stricter isolation says so of who lost.
            Err(Failed { lost: true, .. }) if !matches!(over, Over::Anything) => Ok(Wrote::No),
            Err(Failed { error, unclear: true, .. }) => Ok(Wrote::Unknown(error)),
            Err(Failed { error, .. }) => Err(error),
        }
    }

    fn column<'r, T: tokio_postgres::types::FromSql<'r>>(
        &self,
        row: &'r Row,
        n: usize,
        object: &str,
    ) -> Result<T, StoreError> {
        row.try_get(n).map_err(|error| {
            let reason = "the table factfs_objects has other columns than it was made with";
            StoreError::new(StoreErrorKind::Corrupt, &self.url, object, reason).because(error)
        })
    }
}

/// Why a statement gave no rows.
struct Failed {
    error: StoreError,
    no_table: bool,
    /// It may have been committed, or be committed yet.
    unclear: bool,
    /// Another transaction came first.
    lost: bool,
}

/// Carries what goes over a connection, until its client is dropped.
async fn serve(connection: impl Future<Output = Result<(), Error>>) {
    if let Err(error) = connection.await {
        // Who waits for an answer is told by the client.
        tracing::debug!(%error, "a connection to PostgreSQL ended");
    }
}

impl Table for Postgres {
    fn get(&self, what: Vec<Fetch>) -> BoxFuture<'_, Result<Vec<Bytes>, StoreError>> {
        Box::pin(async move {
            let mut found = Vec::with_capacity(what.len());
            for some in what.chunks(PARALLEL) {
                found.extend(try_join_all(some.iter().map(|one| self.one(one))).await?);
            }
            Ok(found)
        })
    }

    fn tagged(
        &self,
        name: String,
        unless: Option<String>,
    ) -> BoxFuture<'_, Result<Tagged, StoreError>> {
        Box::pin(async move { self.row(&name, unless).await })
    }

    fn write(
        &self,
        name: String,
        over: Over,
        tag: String,
        bytes: Bytes,
    ) -> BoxFuture<'_, Result<Wrote, StoreError>> {
        Box::pin(async move { self.change(&name, &over, &tag, &bytes).await })
    }

    fn delete(&self, name: String) -> BoxFuture<'_, Result<(), StoreError>> {
        const SQL: &str = "DELETE FROM factfs_objects WHERE place = $1 AND name = $2";
        Box::pin(async move {
            let parameters: [Parameter<'_>; 2] = [(&self.place, Type::TEXT), (&name, Type::TEXT)];
            match self.ask(&name, Asked::Write, SQL, &parameters).await {
                Ok(_) | Err(Failed { no_table: true, .. }) => Ok(()),
                Err(failed) => Err(failed.error),
            }
        })
    }

    fn list(&self, from: String, below: String) -> BoxFuture<'_, Result<Vec<Listed>, StoreError>> {
        const SQL: &str = "SELECT name, octet_length(bytes), modified_ms FROM factfs_objects
            WHERE place = $1 AND name >= $2 AND name < $3 ORDER BY name";
        Box::pin(async move {
            let parameters: [Parameter<'_>; 3] =
                [(&self.place, Type::TEXT), (&from, Type::TEXT), (&below, Type::TEXT)];
            let listed = |row: &Row| {
                let size: i32 = self.column(row, 1, "list")?;
                Ok(Listed {
                    key: self.column(row, 0, "list")?,
                    size_bytes: u64::from(size.unsigned_abs()),
                    modified_ms: self.column(row, 2, "list")?,
                })
            };
            self.rows("list", SQL, &parameters).await?.iter().map(listed).collect()
        })
    }
}

/// How many ranges are asked for at once, each over a connection of its own.
const PARALLEL: usize = 4;
