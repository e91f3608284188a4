//! Profiles of AWS, from the files of a made-up home: keys, roles and chains of them, web
//! identities, programs that print keys, logins by SSO; against the token service of moto and one
//! of our own.

use crate::support::moto::Moto;
use crate::support::proxy::{Manner, Proxy};
use crate::support::{Place, SCHEMA};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;

const URL: &str = "s3://team-a/catalog";
const KEYS: &str = "[keys]\naws_access_key_id = testing\naws_secret_access_key = testing\n";

/// A home with these files, and no keys in the environment.
fn home(config: &str, credentials: &str) -> Place {
    let place = Place::new();
    fs::create_dir_all(place.path("home/.aws/sso/cache")).unwrap();
    fs::write(place.path("home/.aws/config"), config).unwrap();
    fs::write(place.path("home/.aws/credentials"), credentials).unwrap();
    let home = place.path("home").display().to_string();
    place.set("HOME", home)
}

/// A database made with what the profile `team` leads to.
#[track_caller]
fn check(config: &str, credentials: &str, manner: Manner) {
    let Some(moto) = Moto::start() else { return };
    moto.bucket("team-a");
    let proxy = Proxy::start(moto.port, manner);
    let place = home(config, credentials);
    fs::write(place.path("token"), "a.web.token").unwrap();
    let place = place
        .set("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", proxy.port))
        .set("AWS_PROFILE", "team");
    place.ok(&["init", URL, "--schema", SCHEMA], "");
    place.ok(&["transact", URL, "[{:w/key \"a\" :w/n 1}]"], "");
}

#[test]
fn keys_of_a_profile() {
    let team = KEYS.replace("keys", "team");
    check("[profile team]\nregion = eu-west-1\n", &team, Manner::Honest);
}

#[test]
fn a_profile_in_the_url() {
    let Some(moto) = Moto::start() else { return };
    moto.bucket("team-a");
    let place = home("", KEYS).set("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", moto.port));
    let url = format!("{URL}?profile=keys");
    assert!(place.ok(&["init", &url, "--schema", SCHEMA], "").contains("catalog"));
    place.ok(&["branch", "create", &url, "exp"], "");
    place.ok(&["transact", &format!("{url}#exp"), "[{:w/key \"a\" :w/n 1}]"], "");
}

#[test]
fn a_chain_of_roles() {
    let config = "[profile team]\nrole_arn = arn:aws:iam::123456789012:role/team\n\
        source_profile = between\nregion = us-east-1\n\
        [profile between]\nrole_arn = arn:aws:iam::123456789012:role/between\n\
        source_profile = keys\n";
    check(config, KEYS, Manner::RolesOnly);
}

#[test]
fn a_web_identity() {
    let config = "[profile team]\nrole_arn = arn:aws:iam::123456789012:role/team\n\
        web_identity_token_file = token\nregion = us-east-1\n";
    check(config, "", Manner::RolesOnly);
}

#[test]
fn a_program_that_prints_keys() {
    let program = "printf '{\"Version\": 1, \"AccessKeyId\": \"a\", \"SecretAccessKey\": \"b\", \
        \"SessionToken\": \"c\"}'";
    let config = format!("[profile team]\ncredential_process = {program}\n");
    check(&config, "", Manner::RolesOnly);
}

const SSO: &str = "[profile team]\nsso_session = work\nsso_account_id = 123456789012\n\
    sso_role_name = reader\n[sso-session work]\nsso_region = us-east-1\n\
    sso_start_url = https://example.awsapps.com/start\n";

/// Where the token of the session `work` is kept: the SHA-1 of its name.
const CACHED: &str = "home/.aws/sso/cache/e274eeff768c6396088ec6eb091f4bf4d47ab1e0.json";

fn token(expires: &str) -> String {
    format!(
        "{{\"accessToken\": \"t\", \"expiresAt\": \"{expires}\", \"region\": \"us-east-1\", \
         \"startUrl\": \"https://example.awsapps.com/start\"}}"
    )
}

/// A service that gives the role of whoever is logged in.
fn portal() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 4096];
            let read = stream.read(&mut request).unwrap_or_default();
            let asked = String::from_utf8_lossy(&request[..read]).to_ascii_lowercase();
            let known = asked.contains("x-amz-sso_bearer_token: t\r\n");
            assert!(known, "not asked with the token: {asked}");
            let body = "{\"roleCredentials\": {\"accessKeyId\": \"a\", \"secretAccessKey\": \"b\", \
                \"sessionToken\": \"c\", \"expiration\": 4102444800000}}";
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
                 Connection: close\r\n\r\n{body}"
            );
        }
    });
    port
}

#[test]
fn a_login_by_sso() {
    let Some(moto) = Moto::start() else { return };
    moto.bucket("team-a");
    let proxy = Proxy::start(moto.port, Manner::RolesOnly);
    let place = home(SSO, "")
        .set("AWS_ENDPOINT_URL_S3", format!("http://127.0.0.1:{}", proxy.port))
        .set("AWS_ENDPOINT_URL_SSO", format!("http://127.0.0.1:{}", portal()))
        .set("AWS_PROFILE", "team");
    fs::write(place.path(CACHED), token("2099-01-01T00:00:00Z")).unwrap();
    place.ok(&["init", URL, "--schema", SCHEMA], "");
}

#[test]
fn a_login_that_ended_is_told_with_what_to_do() {
    let place = home(SSO, "").set("AWS_PROFILE", "team");
    for cached in [None, Some(token("2020-01-01T00:00:00Z"))] {
        cached.iter().for_each(|token| fs::write(place.path(CACHED), token).unwrap());
        let said = place.fails(13, &["status", URL], "");
        assert!(said.contains("aws sso login --profile team"), "{said}");
    }
}

#[test]
fn a_profile_that_is_not_there() {
    let place = home("[profile team]\nregion = x\n", KEYS).set("AWS_PROFILE", "teem");
    let said = place.fails(13, &["status", URL], "");
    assert!(said.contains("no AWS profile \"teem\""), "{said}");
    assert!(said.contains("there are: keys, team"), "{said}");
}
