//! What people are shown of a url: no password, no token.
//!
//! **Invariant:** whatever is written, also what is no url at all, nothing that may be a secret is
//! left: rather too much is left out than too little. What is shown of a url without a secret is
//! the url.

/// `url` without what may be a secret: the password before its `@`, and values after its `?` but
/// those that are known to be none.
pub fn shown(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let rest = without_password(rest);
    match rest.split_once('?') {
        Some((place, query)) => format!("{scheme}://{place}?{}", without_values(query)),
        None => format!("{scheme}://{rest}"),
    }
}

/// What may be said after a `?`.
const PLAIN: [&str; 3] = ["profile", "sslmode", "sslrootcert"];

fn without_password(rest: &str) -> String {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let host = &rest[..end];
    let is_port = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let at = match host.split_once(':') {
        _ if host.contains('@') => host.rfind('@').unwrap_or_default(),
        // A password with a / in it, which should have been written %2F; or half a url.
        Some((_, after)) if !host.contains('[') && !is_port(after) => {
            rest.rfind('@').unwrap_or(rest.len())
        }
        _ => return rest.to_owned(),
    };
    let user = rest[..at].split(':').next().unwrap_or_default();
    format!("{user}{}", &rest[at..])
}

fn without_values(query: &str) -> String {
    let one = |pair: &str| match pair.split_once('=') {
        Some((name, _)) if !PLAIN.contains(&name) => format!("{name}=..."),
        _ => pair.to_owned(),
    };
    query.split('&').map(one).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn nothing_that_may_be_a_secret_is_left() {
        let check = |url: &str, expected: &str| assert_eq!(shown(url), expected);
        check("postgres://ann:s3cret@host/db", "postgres://ann@host/db");
        check("postgres://ann:s3@cret@host/db#b@7d", "postgres://ann@host/db#b@7d");
        check("postgres://ann:s3/cret@host/db", "postgres://ann@host/db");
        check("postgres://ann:s3cret", "postgres://ann");
        check("https://:s3cret@host:80/x", "https://@host:80/x");
        check("https://host/x?token=s3cret&sslmode=a", "https://host/x?token=...&sslmode=a");
        check("https://host/x?s3cret", "https://host/x?s3cret");
    }

    #[test]
    fn what_has_no_secret_stays() {
        for url in [
            "/srv/a:b@7d",
            "s3://team-a/x#b@7d",
            "http://host:9000/x@7d",
            "postgres://ann@[::1]:5433/db/x@7d",
            "postgres://host/db?sslmode=disable",
            "abfss://box@me.dfs.core.windows.net/x",
            "s3://team/x?profile=ann",
        ] {
            assert_eq!(shown(url), url);
        }
    }
}
