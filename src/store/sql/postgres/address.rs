//! Where a PostgreSQL server is, and who asks: `postgres://user@host:port/database/prefix`.
//!
//! **Invariant:** what is shown has no password. Encryption is never a matter of luck: without
//! `sslmode` it is required for a host that is not this machine.

use super::tls::Tls;
use crate::key;
use crate::settings::Settings;
use factfs_core::store::StoreErrorKind;
use std::net::IpAddr;
use std::path::Path;
use tokio_postgres::Config;
use tokio_postgres::config::SslMode;
use url::Url;

const EXAMPLE: &str = "postgres://user@host/database/prefix";

/// A database of a server, and the place in it.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    url: Url,
    database: String,
    pub(crate) place: String,
    encrypted: Option<bool>,
    authority: Option<String>,
}

impl Address {
    /// Reads the url; an error is one line for people.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let write = |what: &str| format!("{what}: write {EXAMPLE}");
        let mut url = Url::parse(text).map_err(|error| write(&error.to_string()))?;
        if url.port() == Some(5432) {
            let _ = url.set_port(None);
        }
        let decode = |text: &str| percent(text).ok_or_else(|| write("an odd %-escape"));
        let path = url.path().trim_matches('/').to_owned();
        let (database, place) = path.split_once('/').unwrap_or((&path, ""));
        let (database, place) = (decode(database)?, decode(place)?);
        if database.is_empty() {
            return Err(write("the name of the database is missing"));
        }
        if !place.is_empty() && !key::valid(&place) {
            return Err("a prefix has letters, digits, '-', '_', parted by '/'".into());
        }
        let (mut encrypted, mut authority) = (None, None);
        for (name, value) in url.query_pairs() {
            match (name.as_ref(), value.as_ref()) {
                ("sslmode", mode) => encrypted = Some(mode_of(mode)?),
                ("sslrootcert", file) => authority = Some(file.to_owned()),
                (name, _) => {
                    return Err(format!("?{name} is not known here: sslmode, sslrootcert"));
                }
            }
        }
        url.set_path(&path);
        url.set_fragment(None);
        Ok(Self { url, database, place, encrypted, authority })
    }

    /// Without the password.
    pub(crate) fn shown(&self) -> String {
        let mut url = self.url.clone();
        let _ = url.set_password(None);
        url.to_string()
    }

    /// How a connection is made; an error is its kind and one line for people.
    pub(super) fn config(
        &self,
        settings: &Settings,
    ) -> Result<(Config, Option<Tls>), (StoreErrorKind, String)> {
        let host = self.host(settings);
        let user = percent(self.url.username()).filter(|user| !user.is_empty());
        let from_env = || ["PGUSER", "USER", "LOGNAME"].iter().find_map(|name| settings.var(name));
        let user = user.or_else(|| from_env().map(str::to_owned)).ok_or_else(|| {
            (StoreErrorKind::Denied, format!("who asks? write {EXAMPLE}, or set PGUSER"))
        })?;
        let port = self.url.port().or_else(|| settings.var("PGPORT")?.parse().ok());
        let port = port.unwrap_or(5432);
        let local = host.starts_with('/') || is_here(&host);
        let encrypted = match (self.encrypted, settings.var("PGSSLMODE")) {
            (Some(mode), _) => mode,
            (None, Some(mode)) => mode_of(mode).map_err(|e| (StoreErrorKind::Invalid, e))?,
            (None, None) => !local,
        };
        let mut config = Config::new();
        config.host(&host).port(port).user(&user).dbname(&self.database);
        config.application_name("factfs").connect_timeout(settings.connect_timeout);
        if let Some(password) = self.password(settings, &host, port, &user) {
            config.password(password);
        }
        let authority = self.authority.as_deref().or(settings.var("PGSSLROOTCERT"));
        let tls = encrypted.then(|| Tls::new(authority)).transpose()?;
        config.ssl_mode(if encrypted { SslMode::Require } else { SslMode::Disable });
        Ok((config, tls))
    }

    /// The host, or the folder of a socket of this machine.
    fn host(&self, settings: &Settings) -> String {
        let named = self.url.host_str().filter(|host| !host.is_empty()).and_then(percent);
        let named = named.map(|host| host.trim_matches(['[', ']']).to_owned());
        let named = named.or_else(|| settings.var("PGHOST").map(str::to_owned));
        named.unwrap_or_else(|| {
            let socket = "/var/run/postgresql";
            if Path::new(socket).is_dir() { socket.into() } else { "localhost".into() }
        })
    }

    fn password(&self, settings: &Settings, host: &str, port: u16, user: &str) -> Option<String> {
        let given = self.url.password().and_then(percent);
        let given = given.or_else(|| settings.var("PGPASSWORD").map(str::to_owned));
        given.or_else(|| {
            let home = || Some(format!("{}/.pgpass", settings.var("HOME")?));
            let file = settings.var("PGPASSFILE").map(str::to_owned).or_else(home)?;
            let text = std::fs::read_to_string(file).ok()?;
            let wanted = [host, &port.to_string(), &self.database, user];
            text.lines().find_map(|line| password_in(line, wanted))
        })
    }
}

/// The password of a line `host:port:database:user:password`, if the line is about what is wanted.
fn password_in(line: &str, wanted: [&str; 4]) -> Option<String> {
    let (mut fields, mut escaped) = (vec![String::new()], false);
    for c in line.chars().filter(|_| !line.starts_with('#')) {
        match c {
            '\\' if !escaped => escaped = true,
            ':' if !escaped && fields.len() < 5 => fields.push(String::new()),
            c => {
                escaped = false;
                fields.last_mut()?.push(c);
            }
        }
    }
    let password = fields.pop()?;
    let fits = |(field, wanted): (&String, &str)| field == "*" || field == wanted;
    (fields.len() == 4 && fields.iter().zip(wanted).all(fits)).then_some(password)
}

fn mode_of(mode: &str) -> Result<bool, String> {
    match mode {
        "disable" => Ok(false),
        // All the same here: the certificate is always looked at.
        "require" | "verify-ca" | "verify-full" => Ok(true),
        "allow" | "prefer" => {
            Err(format!("sslmode={mode} lets the network decide: write require or disable"))
        }
        other => Err(format!("sslmode={other} is not known: require or disable")),
    }
}

fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn percent(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |b: Option<u8>| char::from(b?).to_digit(16);
        let (high, low) = (digit(rest.next())?, digit(rest.next())?);
        bytes.push((high * 16 + low) as u8);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_pgpass() {
        let check = |line: &str, expected: Option<&str>| {
            let found = password_in(line, ["db.example.com", "5432", "facts", "ann"]);
            assert_eq!(found.as_deref(), expected, "{line}");
        };
        check("db.example.com:5432:facts:ann:secret", Some("secret"));
        check("*:*:*:ann:a\\:b\\\\c", Some("a:b\\c"));
        check("*:*:*:ann:with:colons", Some("with:colons"));
        check("*:*:*:bob:secret", None);
        check("#*:*:*:ann:secret", None);
        check("*:*:ann", None);
        check("", None);
    }

    #[test]
    fn encryption_is_required_unless_the_server_is_here() {
        let check = |url: &str, encrypted: bool| {
            let (config, tls) = Address::parse(url).unwrap().config(&Settings::default()).unwrap();
            assert_eq!(tls.is_some(), encrypted, "{url}");
            let mode = if encrypted { SslMode::Require } else { SslMode::Disable };
            assert_eq!(config.get_ssl_mode(), mode, "{url}");
        };
        check("postgres://me@db.example.com/facts", true);
        check("postgres://me@db.example.com/facts?sslmode=disable", false);
        check("postgres://me@localhost/facts", false);
        check("postgres://me@127.0.0.1:5433/facts", false);
        check("postgres://me@[::1]/facts/a/b", false);
        check("postgres://me@%2Fvar%2Frun%2Fpostgresql/facts", false);
        check("postgres://me@localhost/facts?sslmode=verify-full", true);
    }
}
