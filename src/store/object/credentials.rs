//! Whether credentials can be had, found out before the first request.
//!
//! **Invariant:** a process with no credentials says so at once. Left alone, the clients below ask
//! the metadata service of a cloud machine, which on any other machine hangs for as long as they
//! are patient; so that service is asked only where the firmware says that this is such a machine,
//! or the environment asks for it.

use super::profile::Profile;
use crate::settings::Settings;
use std::path::{Path, PathBuf};

/// What the firmware says about the machine: readable by everybody, on the clouds that matter here.
const FIRMWARE: [&str; 2] =
    ["/sys/devices/virtual/dmi/id/sys_vendor", "/sys/devices/virtual/dmi/id/product_name"];

/// What is said of a profile by a program that was built without reading them.
pub(super) fn no_profiles(name: &str) -> String {
    format!(
        "this factfs was built without profiles of AWS (the feature `aws`): either have one built \
         with it, or set what eval \"$(aws configure export-credentials --profile {name} --format \
         env)\" sets"
    )
}

/// What is missing for S3, if something is. What a profile leads to is not known here.
pub(super) fn missing_for_aws(settings: &Settings, profile: Option<&Profile>) -> Option<String> {
    if let Some(profile) = profile {
        return (!cfg!(feature = "aws")).then(|| no_profiles(&profile.name));
    }
    let all = |names: &[&str]| names.iter().all(|name| settings.var(name).is_some());
    let half = settings.var("AWS_ACCESS_KEY_ID").is_some()
        != settings.var("AWS_SECRET_ACCESS_KEY").is_some();
    if half {
        let text =
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must both be set; one of them is not";
        return Some(text.into());
    }
    let found = all(&["AWS_ACCESS_KEY_ID"])
        || all(&["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"])
        || all(&["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"])
        || all(&["AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"])
        || settings.flag("AWS_SKIP_SIGNATURE")
        || all(&["AWS_METADATA_ENDPOINT"])
        || settings.var("AWS_EC2_METADATA_DISABLED").is_some_and(|no| no == "false")
        || (!settings.flag("AWS_EC2_METADATA_DISABLED") && machine("Amazon EC2"));
    (!found).then(|| {
        "no AWS credentials in the environment: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY \
         (or AWS_PROFILE to a profile of ~/.aws/config), or \
         AWS_SKIP_SIGNATURE=true for a public bucket, or AWS_EC2_METADATA_DISABLED=false to use \
         the role of this machine"
            .into()
    })
}

/// What is missing for Google Cloud Storage, if something is.
pub(super) fn missing_for_google(settings: &Settings) -> Option<String> {
    const NAMES: [&str; 8] = [
        "GCE_METADATA_HOST",
        "GCE_METADATA_ROOT",
        "GOOGLE_SERVICE_ACCOUNT",
        "GOOGLE_SERVICE_ACCOUNT_PATH",
        "GOOGLE_SERVICE_ACCOUNT_KEY",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "GOOGLE_BEARER_TOKEN",
        "SERVICE_ACCOUNT",
    ];
    let login = settings.var("HOME").map(|home| {
        PathBuf::from(home).join(".config/gcloud/application_default_credentials.json")
    });
    let found = NAMES.iter().any(|name| settings.var(name).is_some())
        || settings.flag("GOOGLE_SKIP_SIGNATURE")
        || login.is_some_and(|file| file.exists())
        || machine("Google");
    (!found).then(|| {
        "no Google Cloud credentials: run `gcloud auth application-default login`, or set \
         GOOGLE_APPLICATION_CREDENTIALS to the file of a service account, or \
         GOOGLE_SKIP_SIGNATURE=true for a public bucket"
            .into()
    })
}

/// What is missing for Azure, if something is.
pub(super) fn missing_for_azure(settings: &Settings, account_in_url: bool) -> Option<String> {
    const NAMES: [&str; 13] = [
        "AZURE_STORAGE_ACCOUNT_KEY",
        "AZURE_STORAGE_ACCESS_KEY",
        "AZURE_STORAGE_MASTER_KEY",
        "AZURE_STORAGE_SAS_KEY",
        "AZURE_STORAGE_SAS_TOKEN",
        "AZURE_STORAGE_TOKEN",
        "AZURE_STORAGE_CLIENT_SECRET",
        "AZURE_CLIENT_SECRET",
        "AZURE_FEDERATED_TOKEN_FILE",
        "AZURE_MSI_ENDPOINT",
        "IDENTITY_ENDPOINT",
        "MSI_ENDPOINT",
        "AZURE_CREDENTIAL_TYPE",
    ];
    let emulator = settings.flag("AZURE_STORAGE_USE_EMULATOR");
    let account = ["AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT", "AZURE_ACCOUNT_NAME"];
    if !emulator && !account_in_url && !account.iter().any(|name| settings.var(name).is_some()) {
        return Some("set AZURE_STORAGE_ACCOUNT_NAME to the storage account".into());
    }
    let found = emulator
        || NAMES.iter().any(|name| settings.var(name).is_some())
        || settings.flag("AZURE_SKIP_SIGNATURE")
        || settings.flag("AZURE_USE_AZURE_CLI");
    (!found).then(|| {
        "no Azure credentials in the environment: set AZURE_STORAGE_ACCOUNT_KEY, or \
         AZURE_STORAGE_SAS_TOKEN, or AZURE_USE_AZURE_CLI=true after `az login`, or \
         AZURE_CREDENTIAL_TYPE=managed_identity on a machine that has one, or \
         AZURE_SKIP_SIGNATURE=true for a public container"
            .into()
    })
}

fn machine(of: &str) -> bool {
    let says = |file: &str| std::fs::read_to_string(Path::new(file)).unwrap_or_default();
    FIRMWARE.iter().any(|file| says(file).starts_with(of))
}
