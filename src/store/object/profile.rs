//! The profiles of AWS that the files of a user hold, and which of them is meant.
//!
//! **Invariant:** looking sends nothing and believes nothing: what a profile leads to (keys, a
//! role, SSO) is found out by whoever asks for credentials. A profile that was named and is not
//! there is an error that lists those that are. Keys in the environment come before a profile that
//! only the environment names, as with the tools of AWS; one in the url comes before both.

use crate::settings::Settings;
use std::collections::BTreeMap;
use std::path::PathBuf;
use url::Url;

/// The lines of one section, by lower-case names.
type Section = BTreeMap<String, String>;

/// A profile that credentials are taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Profile {
    pub(super) name: String,
    /// Where the service is, if the profile says so.
    pub(super) region: Option<String>,
    /// Another address of the service, if the profile says so.
    pub(super) endpoint: Option<String>,
    /// The file of settings, and the one of keys.
    pub(super) files: [PathBuf; 2],
    /// The profile whose login by SSO it stands on, if it does.
    pub(super) login: Option<String>,
    /// Whether it is the role of this machine, which its metadata service gives.
    pub(super) of_machine: bool,
}

/// What a url may say beside the place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Query {
    /// Nothing.
    None,
    /// `?profile=NAME`
    Profile(String),
    /// Something else.
    Unknown,
}

/// Reads what follows the `?`.
pub(super) fn query(url: &Url) -> Query {
    let mut pairs = url.query_pairs();
    match (url.query(), pairs.next(), pairs.next()) {
        (None, _, _) => Query::None,
        (_, Some((name, value)), None) if name == "profile" && !value.is_empty() => {
            Query::Profile(value.into_owned())
        }
        _ => Query::Unknown,
    }
}

/// The profile that is meant, if one is; an error is one line for people.
pub(super) fn choose(settings: &Settings, in_url: Option<&str>) -> Result<Option<Profile>, String> {
    let keys = settings.var("AWS_ACCESS_KEY_ID").is_some() || settings.flag("AWS_SKIP_SIGNATURE");
    let in_env = || settings.var("AWS_PROFILE").or(settings.var("AWS_DEFAULT_PROFILE"));
    let named = match in_url {
        Some(name) => Some(name),
        None if keys => return Ok(None),
        None => in_env(),
    };
    let files = Files::read(settings);
    match named {
        Some(name) => files.profile(name).map(Some),
        None if files.gives_credentials("default") => files.profile("default").map(Some),
        None => Ok(None),
    }
}

/// What is in both files.
struct Files {
    paths: [PathBuf; 2],
    sections: BTreeMap<String, Section>,
}

impl Files {
    fn read(settings: &Settings) -> Self {
        let home = PathBuf::from(settings.var("HOME").unwrap_or("/")).join(".aws");
        let path = |variable: &str, usual: &str| {
            settings.var(variable).map_or_else(|| home.join(usual), PathBuf::from)
        };
        let paths =
            [path("AWS_CONFIG_FILE", "config"), path("AWS_SHARED_CREDENTIALS_FILE", "credentials")];
        let mut sections = BTreeMap::new();
        for (path, prefix) in paths.iter().zip(["profile ", ""]) {
            // What cannot be read says nothing; the name of a profile in it will not be found.
            let text = std::fs::read_to_string(path).unwrap_or_default();
            read_into(&mut sections, &text, prefix);
        }
        Self { paths, sections }
    }

    fn profile(&self, name: &str) -> Result<Profile, String> {
        let Some(section) = self.sections.get(name) else {
            let [config, credentials] = self.paths.each_ref().map(|path| path.display());
            let known: Vec<_> = self.sections.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".into() } else { known.join(", ") };
            return Err(format!(
                "no AWS profile {name:?} in {config} or {credentials}; there are: {known}"
            ));
        };
        let text = |key: &str| section.get(key).cloned();
        Ok(Profile {
            name: name.to_owned(),
            region: text("region"),
            endpoint: text("endpoint_url"),
            files: self.paths.clone(),
            login: self.login(name),
            of_machine: text("credential_source").is_some_and(|source| source != "Environment"),
        })
    }

    fn gives_credentials(&self, name: &str) -> bool {
        const KEYS: [&str; 6] = [
            "aws_access_key_id",
            "role_arn",
            "credential_process",
            "sso_session",
            "sso_start_url",
            "web_identity_token_file",
        ];
        let section = self.sections.get(name);
        section.is_some_and(|section| KEYS.iter().any(|key| section.contains_key(*key)))
    }

    /// The first profile along the chain of sources that is logged in to by SSO.
    fn login(&self, name: &str) -> Option<String> {
        let mut at = name;
        for _ in 0..self.sections.len() {
            let section = self.sections.get(at)?;
            if section.contains_key("sso_session") || section.contains_key("sso_start_url") {
                return Some(at.to_owned());
            }
            at = section.get("source_profile")?;
        }
        None
    }
}

/// Adds the profiles of a file; their names follow `prefix` there, but for `default`.
fn read_into(sections: &mut BTreeMap<String, Section>, text: &str, prefix: &str) {
    let mut current: Option<String> = None;
    for line in text.lines() {
        // Lines that are further in belong to the line above them, and are of no matter here.
        if line.starts_with([' ', '\t', '#', ';']) {
            continue;
        }
        if let Some(title) = line.strip_prefix('[') {
            let title = title.split(']').next().unwrap_or_default().trim();
            let name = match title {
                "default" => Some(title),
                title => title.strip_prefix(prefix),
            };
            current = name.map(|name| name.trim().trim_matches(['"', '\'']).to_owned());
            if let Some(name) = &current {
                sections.entry(name.clone()).or_default();
            }
        } else if let (Some(name), Some((key, value))) = (&current, line.split_once('=')) {
            let value = value.split(" #").next().unwrap_or_default().trim();
            let section = sections.entry(name.clone()).or_default();
            section.insert(key.trim().to_ascii_lowercase(), value.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "# mine\n[default]\nregion = eu-west-1\n\n[profile team]\nrole_arn = x\n\
        source_profile = login\nregion=eu-north-1 # there\n[profile login]\nsso_session = s\n\
        s3 =\n  region = no\n[sso-session s]\nsso_start_url = https://x\n";

    fn home(config: &str, credentials: &str) -> (tempfile::TempDir, Settings) {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".aws")).unwrap();
        std::fs::write(home.path().join(".aws/config"), config).unwrap();
        std::fs::write(home.path().join(".aws/credentials"), credentials).unwrap();
        let mut settings = Settings::default();
        settings.env.insert("HOME".into(), home.path().to_str().unwrap().into());
        (home, settings)
    }

    fn with(settings: &Settings, name: &str, value: &str) -> Settings {
        let mut settings = settings.clone();
        settings.env.insert(name.into(), value.into());
        settings
    }

    #[test]
    fn which_profile_is_meant() {
        let (_home, settings) = home(CONFIG, "[keys]\naws_access_key_id = a\n");
        let name = |settings: &Settings, in_url| {
            choose(settings, in_url).unwrap().map(|profile| profile.name)
        };
        assert_eq!(name(&settings, None), None, "default has no credentials");
        assert_eq!(name(&settings, Some("keys")).as_deref(), Some("keys"));
        let team = with(&settings, "AWS_PROFILE", "team");
        assert_eq!(name(&team, None).as_deref(), Some("team"));
        assert_eq!(name(&team, Some("keys")).as_deref(), Some("keys"));
        let keys = with(&team, "AWS_ACCESS_KEY_ID", "a");
        assert_eq!(name(&keys, None), None, "keys come first");
        assert_eq!(name(&keys, Some("team")).as_deref(), Some("team"));
        let (_home, settings) = home("", "[default]\naws_access_key_id = a\n");
        assert_eq!(name(&settings, None).as_deref(), Some("default"));
    }

    #[test]
    fn what_a_profile_says() {
        let (_home, settings) = home(CONFIG, "");
        let team = choose(&settings, Some("team")).unwrap().unwrap();
        assert_eq!(team.region.as_deref(), Some("eu-north-1"));
        assert_eq!(team.login.as_deref(), Some("login"));
        let login = choose(&settings, Some("login")).unwrap().unwrap();
        assert_eq!((login.region, login.of_machine), (None, false));
        let error = choose(&settings, Some("teem")).unwrap_err();
        assert!(error.starts_with("no AWS profile \"teem\""), "{error}");
        assert!(error.ends_with("there are: default, login, team"), "{error}");
    }

    #[test]
    fn what_a_url_may_ask() {
        let check = |text: &str, expected: Query| {
            assert_eq!(query(&Url::parse(text).unwrap()), expected, "{text}");
        };
        check("s3://b/x", Query::None);
        check("s3://b/x?profile=team%20a", Query::Profile("team a".into()));
        check("s3://b/x?profile=", Query::Unknown);
        check("s3://b/x?profile=a&region=b", Query::Unknown);
        check("s3://b/x?token=a", Query::Unknown);
    }
}
