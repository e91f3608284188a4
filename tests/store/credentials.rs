//! Credentials that are nowhere, or that nobody gives: said soon, in one line, with what to do.

use crate::support::Place;
use std::net::TcpListener;
use std::time::{Duration, Instant};

/// A service that takes connections and says nothing.
fn silent() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

fn place(variables: &[(&str, String)]) -> Place {
    let place = Place::new();
    let home = place.path("home").display().to_string();
    variables.iter().fold(place.set("HOME", home), |place, (name, value)| place.set(name, value))
}

#[track_caller]
fn check(place: &Place, url: &str, part: &str) {
    let before = Instant::now();
    let said = place.fails(13, &["status", url], "");
    assert!(said.contains(part), "{said}");
    assert!(before.elapsed() < Duration::from_secs(4), "{url}: {:?}", before.elapsed());
}

#[test]
fn none_anywhere() {
    let place = place(&[("AZURE_STORAGE_ACCOUNT_NAME", "me".to_owned())]);
    check(&place, "s3://bucket/x", "no AWS credentials");
    check(&place, "gs://bucket/x", "no Google Cloud credentials");
    check(&place, "az://box/x", "no Azure credentials");
}

#[test]
fn a_machine_whose_metadata_service_says_nothing() {
    let (_listener, address) = silent();
    let url = format!("http://{address}");
    let place = place(&[
        ("AWS_METADATA_ENDPOINT", url.clone()),
        ("GCE_METADATA_HOST", address.clone()),
        ("GCE_METADATA_IP", address),
        ("AZURE_STORAGE_ACCOUNT_NAME", "me".to_owned()),
        ("AZURE_MSI_ENDPOINT", url.clone()),
        ("IDENTITY_ENDPOINT", url.clone()),
        ("IDENTITY_HEADER", "x".to_owned()),
    ]);
    let late = "no credentials came within 2 s";
    check(&place, "s3://bucket/x", late);
    check(&place, "gs://bucket/x", late);
    check(&place, "az://box/x", late);
}

#[cfg(not(feature = "aws"))]
#[test]
fn a_profile_without_what_reads_it() {
    let place = place(&[]);
    std::fs::create_dir_all(place.path("home/.aws")).unwrap();
    std::fs::write(place.path("home/.aws/config"), "[profile team]\nrole_arn = x\n").unwrap();
    check(&place, "s3://bucket/x?profile=team", "without profiles of AWS (the feature `aws`)");
    let place = place.set("AWS_PROFILE", "team");
    check(&place, "s3://bucket/x", "aws configure export-credentials --profile team");
}

#[cfg(feature = "aws")]
#[test]
fn a_profile_of_a_machine_whose_metadata_service_says_nothing() {
    let (_listener, address) = silent();
    let place = place(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", format!("http://{address}"))]);
    std::fs::create_dir_all(place.path("home/.aws")).unwrap();
    let config = "[profile team]\nrole_arn = x\ncredential_source = Ec2InstanceMetadata\n";
    std::fs::write(place.path("home/.aws/config"), config).unwrap();
    check(&place, "s3://bucket/x?profile=team", "no credentials");
}
