//! From a url and an environment to a client of object_store.
//!
//! **Invariant:** building sends nothing; a url whose bucket, credentials or endpoint cannot be
//! right fails here, with what to do about it. Secrets come from the environment and never show in
//! the url of the store.

use super::patience::soon;
use super::{ObjectStore, credentials};
use crate::settings::Settings;
use factfs_core::store::{StoreError, StoreErrorKind};
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::http::HttpBuilder;
use object_store::path::Path;
use object_store::{BackoffConfig, ClientConfigKey, ClientOptions, RetryConfig};
use std::sync::{Arc, Once};
use std::time::Duration;
use url::Url;

/// Which service speaks behind a url.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// `s3://`, `s3a://`
    Aws,
    /// `gs://`
    Google,
    /// `az://`, `abfs://`...
    Azure,
    /// `https://`, `http://`: to read
    Http,
}

type Inner = Arc<dyn object_store::ObjectStore>;

/// The store at `url`, which is `shown` to people.
pub(crate) fn open(
    scheme: Scheme,
    url: &Url,
    shown: &str,
    settings: &Settings,
) -> Result<ObjectStore, StoreError> {
    install_tls();
    let invalid = |reason: String| StoreError::new(StoreErrorKind::Invalid, shown, "open", reason);
    let denied = |reason: String| StoreError::new(StoreErrorKind::Denied, shown, "open", reason);
    let missing = match scheme {
        Scheme::Aws => credentials::missing_for_aws(settings),
        Scheme::Google => credentials::missing_for_google(settings),
        Scheme::Azure => credentials::missing_for_azure(settings, !url.username().is_empty()),
        Scheme::Http => None,
    };
    if let Some(reason) = missing {
        return Err(denied(reason));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(invalid("a url of a store has no ?query and no #fragment".into()));
    }
    if let Some(reason) = malformed(settings) {
        return Err(invalid(reason));
    }
    let built = match scheme {
        Scheme::Aws => aws(url, settings),
        Scheme::Google => google(url, settings),
        Scheme::Azure => azure(url, settings),
        Scheme::Http => http(url, settings),
    };
    let inner = built.map_err(|error| invalid(error.to_string()).because(error))?;
    let prefix = match scheme {
        Scheme::Http => Path::default(),
        _ => Path::from_url_path(url.path())
            .map_err(|error| invalid(error.to_string()).because(error))?,
    };
    Ok(ObjectStore::new(inner, scheme, shown.to_owned(), prefix, settings))
}

/// What in the environment cannot be sent, or cannot be an address: the client would not say so
/// kindly.
fn malformed(settings: &Settings) -> Option<String> {
    let ours = |name: &str| ["AWS_", "GOOGLE_", "AZURE_"].iter().any(|p| name.starts_with(p));
    for (name, value) in settings.env.iter().filter(|(name, value)| ours(name) && !value.is_empty())
    {
        if value.chars().any(|c| c.is_control() || !c.is_ascii()) {
            return Some(format!("{name} has characters in it that cannot be sent"));
        }
        let is_address = name.contains("ENDPOINT");
        if is_address && !(value.starts_with("http://") || value.starts_with("https://")) {
            return Some(format!(
                "{name}={value} is no address: write http://HOST or https://HOST"
            ));
        }
        if name.ends_with("REGION") && value.contains(|c: char| c.is_whitespace() || c == '/') {
            return Some(format!("{name}={value:?} is no region"));
        }
    }
    None
}

/// TLS for every client of the process: ring, which needs nothing but a C compiler to build.
fn install_tls() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error says that the program chose a provider before: that one serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// The variables of one service, by the names object_store knows.
fn variables<'a, K: std::str::FromStr + 'a>(
    settings: &'a Settings,
    prefix: &'a str,
) -> impl Iterator<Item = (K, &'a str)> + 'a {
    settings.env.iter().filter_map(move |(name, value)| {
        let known = name.starts_with(prefix) && !value.is_empty();
        Some((known.then(|| name.to_ascii_lowercase().parse().ok())??, value.as_str()))
    })
}

fn aws(url: &Url, settings: &Settings) -> object_store::Result<Inner> {
    let mut builder = AmazonS3Builder::new();
    for (key, value) in client(settings) {
        builder = builder.with_config(object_store::aws::AmazonS3ConfigKey::Client(key), value);
    }
    for (key, value) in variables(settings, "AWS_") {
        builder = builder.with_config(key, value);
    }
    let endpoint = settings.var("AWS_ENDPOINT_URL_S3").or(settings.var("AWS_ENDPOINT_URL"));
    let endpoint = endpoint.or(settings.var("AWS_ENDPOINT"));
    if endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")) {
        // Naming such an endpoint is consent enough; and a machine without certificates can still
        // use it.
        builder = builder.with_allow_http(true).with_config(
            object_store::aws::AmazonS3ConfigKey::Client(ClientConfigKey::NoSystemCertificates),
            "true",
        );
    }
    let bucket = builder.with_bucket_name(url.host_str().unwrap_or_default());
    let bucket = bucket.with_retry(retry(settings));
    let credentials = soon(bucket.clone().build()?.credentials(), settings.credentials_timeout);
    Ok(Arc::new(bucket.with_credentials(credentials).build()?))
}

fn google(url: &Url, settings: &Settings) -> object_store::Result<Inner> {
    let mut builder = GoogleCloudStorageBuilder::new();
    for (key, value) in client(settings) {
        builder = builder.with_config(object_store::gcp::GoogleConfigKey::Client(key), value);
    }
    for (key, value) in variables(settings, "GOOGLE_") {
        builder = builder.with_config(key, value);
    }
    let bucket = builder.with_bucket_name(url.host_str().unwrap_or_default());
    let bucket = bucket.with_retry(retry(settings));
    let credentials = soon(bucket.clone().build()?.credentials(), settings.credentials_timeout);
    Ok(Arc::new(bucket.with_credentials(credentials).build()?))
}

fn azure(url: &Url, settings: &Settings) -> object_store::Result<Inner> {
    let mut builder = MicrosoftAzureBuilder::new();
    for (key, value) in client(settings) {
        builder = builder.with_config(object_store::azure::AzureConfigKey::Client(key), value);
    }
    for (key, value) in variables(settings, "AZURE_") {
        builder = builder.with_config(key, value);
    }
    let endpoint = settings.var("AZURE_STORAGE_ENDPOINT").or(settings.var("AZURE_ENDPOINT"));
    if endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")) {
        builder = builder.with_allow_http(true).with_config(
            object_store::azure::AzureConfigKey::Client(ClientConfigKey::NoSystemCertificates),
            "true",
        );
    }
    let mut place = url.clone();
    place.set_path("");
    let container = builder.with_url(place.to_string()).with_retry(retry(settings));
    // `az` is a program that takes seconds to start.
    let longer = if settings.flag("AZURE_USE_AZURE_CLI") { 5 } else { 1 };
    let limit = settings.credentials_timeout * longer;
    let credentials = soon(container.clone().build()?.credentials(), limit);
    Ok(Arc::new(container.with_credentials(credentials).build()?))
}

fn http(url: &Url, settings: &Settings) -> object_store::Result<Inner> {
    let plain = url.scheme() == "http";
    let options = client(settings)
        .into_iter()
        .fold(ClientOptions::new(), |options, (key, value)| options.with_config(key, value))
        .with_allow_http(plain)
        .with_no_system_certificates(plain);
    let builder = HttpBuilder::new().with_url(url.as_str()).with_client_options(options);
    Ok(Arc::new(builder.with_retry(retry(settings)).build()?))
}

/// Patience, in the words of the client. The environment may still say otherwise (`AWS_TIMEOUT`).
fn client(settings: &Settings) -> [(ClientConfigKey, String); 2] {
    let text = |time: Duration| format!("{}ms", time.as_millis().max(1));
    [
        (ClientConfigKey::ConnectTimeout, text(settings.connect_timeout)),
        (ClientConfigKey::Timeout, text(settings.request_timeout)),
    ]
}

fn retry(settings: &Settings) -> RetryConfig {
    let backoff = BackoffConfig {
        init_backoff: Duration::from_millis(100),
        max_backoff: Duration::from_secs(2),
        base: 2.0,
    };
    RetryConfig { backoff, max_retries: settings.retries, retry_timeout: settings.retry_timeout }
}
