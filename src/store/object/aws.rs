//! Credentials of a profile of AWS, by `aws-config`: keys, SSO that was logged in to, roles and
//! chains of them, web identities, programs that print keys.
//!
//! **Invariant:** the files are read anew each time credentials are needed, so a login made
//! meanwhile counts. What fails is said in one line that names the profile, and what to do.
//! Requests go through the same TLS as all others of the program.
//!
//! What a profile refers to beside its files (the tokens of SSO, variables) is looked up by
//! `aws-config`, in the environment of the process.

use super::profile::Profile;
use super::renewed::{Renewed, Source};
use crate::host::SystemHost;
use crate::settings::Settings;
use aws_config::Region;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::provider::ProvideCredentials;
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use factfs_core::store::BoxFuture;
use object_store::aws::{AwsCredential, AwsCredentialProvider};
use object_store::{Error, Result};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

/// The credentials of `profile`, in `region` where the profile names none.
pub(super) fn provider(
    profile: Profile,
    region: &str,
    settings: &Settings,
) -> Result<AwsCredentialProvider, String> {
    let http = Http(client(settings).map_err(|error| error.to_string())?);
    let region = Region::new(profile.region.clone().unwrap_or_else(|| region.to_owned()));
    Ok(Arc::new(Renewed::new(FromProfile { profile, region, http }, Arc::new(SystemHost))))
}

fn client(settings: &Settings) -> reqwest::Result<reqwest::Client> {
    let builder = || {
        let builder = reqwest::Client::builder().connect_timeout(settings.connect_timeout);
        builder.timeout(settings.request_timeout)
    };
    // A machine without certificates can still ask who speaks plain HTTP.
    builder().build().or_else(|_| builder().tls_certs_only([]).build())
}

#[derive(Debug)]
struct FromProfile {
    profile: Profile,
    region: Region,
    http: Http,
}

impl FromProfile {
    async fn credentials(&self) -> Result<(AwsCredential, Option<i64>)> {
        let [config, credentials] = &self.profile.files;
        let files = EnvConfigFiles::builder()
            .with_file(EnvConfigFileKind::Config, config)
            .with_file(EnvConfigFileKind::Credentials, credentials)
            .build();
        let how = ProviderConfig::without_region()
            .with_region(Some(self.region.clone()))
            .with_http_client(self.http.clone());
        let provider = ProfileFileCredentialsProvider::builder()
            .configure(&how)
            .profile_files(files)
            .profile_name(&self.profile.name)
            .build();
        let found = provider.provide_credentials().await.map_err(|error| {
            let reason = explain(&self.profile, &error);
            Error::Unauthenticated { path: "credentials".into(), source: Box::new(reason) }
        })?;
        let since = found.expiry().and_then(|end| end.duration_since(UNIX_EPOCH).ok());
        let ends_ms = since.and_then(|since| i64::try_from(since.as_millis()).ok());
        let credential = AwsCredential {
            key_id: found.access_key_id().to_owned(),
            secret_key: found.secret_access_key().to_owned(),
            token: found.session_token().map(str::to_owned),
        };
        Ok((credential, ends_ms))
    }
}

impl Source for FromProfile {
    type Credential = AwsCredential;

    fn fetch(&self) -> BoxFuture<'_, Result<(AwsCredential, Option<i64>)>> {
        Box::pin(self.credentials())
    }
}

#[derive(Debug, thiserror::Error)]
#[error("no credentials from the AWS profile {name:?}: {why}{hint}")]
struct NoCredentials {
    name: String,
    why: String,
    hint: String,
}

/// All that the chain of errors says, in one line.
fn explain(profile: &Profile, error: &dyn std::error::Error) -> NoCredentials {
    let chain = std::iter::successors(error.source(), |error| error.source());
    let mut said: Vec<String> = Vec::new();
    for text in
        chain.map(|error| error.to_string().split_whitespace().collect::<Vec<_>>().join(" "))
    {
        if !said.iter().any(|before| before.contains(&text)) {
            said.push(text);
        }
    }
    let login = profile.login.as_deref();
    let hint = login.map(|name| format!(" (log in again: aws sso login --profile {name})"));
    let why = if said.is_empty() { error.to_string() } else { said.join(": ") };
    NoCredentials { name: profile.name.clone(), why, hint: hint.unwrap_or_default() }
}

/// The HTTP of `aws-config`, by the client that everything else here speaks through.
#[derive(Clone, Debug)]
struct Http(reqwest::Client);

impl HttpClient for Http {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Http {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.0.clone();
        HttpConnectorFuture::new(async move { send(&client, request).await })
    }
}

async fn send(
    client: &reqwest::Client,
    request: HttpRequest,
) -> Result<HttpResponse, ConnectorError> {
    let other =
        |error: Box<dyn std::error::Error + Send + Sync>| ConnectorError::other(error, None);
    let method = reqwest::Method::from_bytes(request.method().as_bytes());
    let mut asked = client.request(method.map_err(|e| other(e.into()))?, request.uri());
    for (name, value) in request.headers() {
        asked = asked.header(name, value);
    }
    let body = request.body().bytes().unwrap_or_default().to_vec();
    let answer = asked.body(body).send().await.map_err(failed)?;
    let status = answer.status().as_u16().try_into();
    let headers = answer.headers().clone();
    let body = answer.bytes().await.map_err(failed)?;
    let mut response = HttpResponse::new(status.map_err(|e| other(Box::new(e)))?, body.into());
    for (name, value) in &headers {
        if let Ok(value) = value.to_str() {
            response.headers_mut().append(name.as_str().to_owned(), value.to_owned());
        }
    }
    Ok(response)
}

fn failed(error: reqwest::Error) -> ConnectorError {
    match error.is_timeout() {
        true => ConnectorError::timeout(error.into()),
        false => ConnectorError::io(error.into()),
    }
}
