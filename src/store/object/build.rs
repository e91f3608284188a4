//! From a url and an environment to a client of object_store.
//!
//! **Invariant:** building sends nothing; a url whose bucket, credentials or endpoint cannot be
//! right fails here, with what to do about it. Secrets come from the environment and never show in
//! the url of the store.

use super::patience::soon;
use super::profile::{self, Profile, Query};
use super::reach::Reaching;
use super::{ObjectStore, basic, credentials};
use crate::settings::Settings;
use crate::shown::shown;
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

/// The store at `url`, which is `named` so to people.
pub(crate) fn open(
    scheme: Scheme,
    url: &Url,
    named: &str,
    settings: &Settings,
) -> Result<ObjectStore, StoreError> {
    install_tls();
    let invalid = |reason: String| StoreError::new(StoreErrorKind::Invalid, named, "open", reason);
    let denied = |reason: String| StoreError::new(StoreErrorKind::Denied, named, "open", reason);
    let in_url = profile_in(scheme, url).map_err(invalid)?;
    let profile = match scheme {
        Scheme::Aws => profile::choose(settings, in_url.as_deref()).map_err(denied)?,
        _ => None,
    };
    let missing = match scheme {
        Scheme::Aws => credentials::missing_for_aws(settings, profile.as_ref()),
        Scheme::Google => credentials::missing_for_google(settings),
        Scheme::Azure => credentials::missing_for_azure(settings, !url.username().is_empty()),
        Scheme::Http => None,
    };
    if let Some(reason) = missing {
        return Err(denied(reason));
    }
    if let Some(reason) = malformed(settings) {
        return Err(invalid(reason));
    }
    let built = match scheme {
        Scheme::Aws => aws(url, settings, profile).map_err(denied)?,
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
    Ok(ObjectStore::new(inner, scheme, named.to_owned(), prefix, settings))
}

/// The profile that a url names, if it does.
fn profile_in(scheme: Scheme, url: &Url) -> Result<Option<String>, String> {
    match (profile::query(url), scheme) {
        _ if url.fragment().is_some() => Err("a url of a store has no #fragment".into()),
        (Query::None, _) => Ok(None),
        (Query::Profile(name), Scheme::Aws) => Ok(Some(name)),
        (_, Scheme::Aws) => Err("a url of S3 has no ?query but ?profile=NAME".into()),
        _ => Err("a url of a store has no ?query and no #fragment".into()),
    }
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
        let is_address = name.contains("ENDPOINT") || name == "GOOGLE_BASE_URL";
        if is_address && !(value.starts_with("http://") || value.starts_with("https://")) {
            return Some(format!(
                "{name}={} is no address: write http://HOST or https://HOST",
                shown(value)
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

fn aws(
    url: &Url,
    settings: &Settings,
    profile: Option<Profile>,
) -> Result<object_store::Result<Inner>, String> {
    let mut builder = AmazonS3Builder::new().with_http_connector(Reaching::default());
    for (key, value) in client(settings) {
        builder = builder.with_config(object_store::aws::AmazonS3ConfigKey::Client(key), value);
    }
    let of_profile = profile.as_ref();
    if let Some(region) = of_profile.and_then(|profile| profile.region.as_ref()) {
        builder = builder.with_region(region);
    }
    if let Some(endpoint) = of_profile.and_then(|profile| profile.endpoint.as_ref()) {
        builder = builder.with_endpoint(endpoint);
    }
    for (key, value) in variables(settings, "AWS_") {
        builder = builder.with_config(key, value);
    }
    let endpoint = settings.var("AWS_ENDPOINT_URL_S3").or(settings.var("AWS_ENDPOINT_URL"));
    let endpoint = endpoint.or(settings.var("AWS_ENDPOINT"));
    let endpoint = endpoint.or(of_profile.and_then(|profile| profile.endpoint.as_deref()));
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
    Ok(match profile {
        Some(profile) => {
            // Whoever is asked for a role or a login is given longer than a machine's own service.
            let longer = if profile.of_machine { 1 } else { 5 };
            let limit = settings.credentials_timeout * longer;
            let credentials = soon(&of_profile_named(profile, settings)?, limit);
            bucket.with_credentials(credentials).build().map(|store| Arc::new(store) as Inner)
        }
        None => bucket.clone().build().and_then(|asked| {
            let credentials = soon(asked.credentials(), settings.credentials_timeout);
            Ok(Arc::new(bucket.with_credentials(credentials).build()?) as Inner)
        }),
    })
}

/// The credentials of a profile.
#[cfg(feature = "aws")]
fn of_profile_named(
    profile: Profile,
    settings: &Settings,
) -> Result<object_store::aws::AwsCredentialProvider, String> {
    let region = settings.var("AWS_REGION").or(settings.var("AWS_DEFAULT_REGION"));
    super::aws::provider(profile, region.unwrap_or("us-east-1"), settings)
}

/// A profile without what reads it: see [`credentials::missing_for_aws`], which came before.
#[cfg(not(feature = "aws"))]
fn of_profile_named(
    profile: Profile,
    _: &Settings,
) -> Result<object_store::aws::AwsCredentialProvider, String> {
    Err(credentials::no_profiles(&profile.name))
}

fn google(url: &Url, settings: &Settings) -> object_store::Result<Inner> {
    let builder = GoogleCloudStorageBuilder::new();
    let mut builder = builder.with_http_connector(Reaching::default());
    for (key, value) in client(settings) {
        builder = builder.with_config(object_store::gcp::GoogleConfigKey::Client(key), value);
    }
    for (key, value) in variables(settings, "GOOGLE_") {
        builder = builder.with_config(key, value);
    }
    if settings.var("GOOGLE_BASE_URL").is_some_and(|address| address.starts_with("http://")) {
        use object_store::gcp::GoogleConfigKey::Client;
        builder = builder.with_config(Client(ClientConfigKey::AllowHttp), "true");
        builder = builder.with_config(Client(ClientConfigKey::NoSystemCertificates), "true");
    }
    let bucket = builder.with_bucket_name(url.host_str().unwrap_or_default());
    let bucket = bucket.with_retry(retry(settings));
    let credentials = soon(bucket.clone().build()?.credentials(), settings.credentials_timeout);
    Ok(Arc::new(bucket.with_credentials(credentials).build()?))
}

fn azure(url: &Url, settings: &Settings) -> object_store::Result<Inner> {
    let builder = MicrosoftAzureBuilder::new();
    let mut builder = builder.with_http_connector(Reaching::default());
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
    let (url, headers) = basic::split(url);
    let options = options.with_default_headers(headers);
    let builder = HttpBuilder::new().with_url(url.as_str()).with_client_options(options);
    let builder = builder.with_http_connector(Reaching::default());
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
