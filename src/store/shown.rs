//! What people are shown of a url: no password, no token.
//!
//! **Invariant:** whatever is written, also what is no url at all, nothing that may be a secret is
//! left: rather too much is left out than too little. What is shown of a url without a secret is
//! the url, unless it has a port and an `@` in its path: that may be half a password.

/// `url` without what may be a secret: the password before its `@`, and values after its `?` but
/// those that are known to be none.
pub fn shown(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return half_written(url) };
    let rest = without_password(rest);
    match rest.split_once('?') {
        Some((place, query)) => format!("{scheme}://{place}?{}", without_values(query)),
        None => format!("{scheme}://{rest}"),
    }
}

/// What may be said after a `?`.
const PLAIN: [&str; 3] = ["profile", "sslmode", "sslrootcert"];

/// What has no `://` is a path, a name, or a url whose slashes were forgotten.
fn half_written(text: &str) -> String {
    let has_no_user = ["sqlite:", "file:", "memory:"].iter().any(|scheme| text.starts_with(scheme));
    let scheme = text.find(':').filter(|colon| !text[..*colon].contains(['/', '.', '~']));
    let Some(colon) = scheme.filter(|_| !has_no_user) else { return text.to_owned() };
    let (place, query) = match text.split_once('?') {
        Some((place, query)) => (place, format!("?{}", without_values(query))),
        None => (text, String::new()),
    };
    let after = place[colon + 1..].find(':').map(|second| colon + 1 + second);
    match (after, place.rfind('@').filter(|at| colon < *at)) {
        (_, Some(at)) => format!("{}:...{}{query}", &place[..colon], &place[at..]),
        (Some(after), None) => format!("{}:...{query}", &place[..after]),
        (None, None) => format!("{place}{query}"),
    }
}

fn without_password(rest: &str) -> String {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let host = &rest[..end];
    let is_port = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    // A password with a / in it, which should have been written %2F; or half a url. One of digits
    // looks like a port: then an @ with a path behind it is no branch or moment.
    let is_torn = |after: &str| {
        !host.contains('[')
            && (!is_port(after)
                || rest.rsplit_once('@').is_some_and(|(_, tail)| tail.contains('/')))
    };
    let at = match host.split_once(':') {
        _ if host.contains('@') => host.rfind('@').unwrap_or_default(),
        Some((_, after)) if is_torn(after) => rest.rfind('@').unwrap_or(rest.len()),
        _ => return rest.to_owned(),
    };
    let user = rest[..at].split(':').next().unwrap_or_default();
    format!("{user}{}", &rest[at..])
}

fn without_values(query: &str) -> String {
    let one = |pair: &str| {
        let name = pair.split('=').next().unwrap_or_default();
        match pair.contains('=') {
            _ if PLAIN.contains(&name) => pair.to_owned(),
            true => format!("{name}=..."),
            false => "...".to_owned(),
        }
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
        check("https://host/x?s3cret", "https://host/x?...");
        check("postgres://ann:12/34@host/db", "postgres://ann@host/db");
        check("postgres:ann:s3cret@host/db", "postgres:...@host/db");
        check("ann:s3cret@host/db", "ann:...@host/db");
        check("postgres:ann:s3cret", "postgres:ann:...");
        check("https:/host/x?token=s3cret", "https:/host/x?token=...");
        check("postgres:ann:s3@cret?password=x", "postgres:...@cret?password=...");
    }

    #[test]
    fn what_has_no_secret_stays() {
        for url in [
            "/srv/a:b@7d",
            "a/x:b@7d",
            "~/x?a:b@7d",
            "./a:b@7d",
            "catalog@7d",
            "sqlite:a.db@7d",
            "http://host:9000/x#b@7d",
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
