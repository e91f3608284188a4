//! Values that were made to harm: as names of files, in tables and in messages. None hides, none is
//! taken for another, none leaves the mount, none reaches a terminal.

use super::{Mount, can_mount, place};
use crate::support::Place;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::process::Command;

/// What somebody may have written into a database.
fn values() -> Vec<String> {
    let mut values: Vec<String> = [
        "a/b",
        "/etc/passwd",
        "..",
        ".",
        "../..",
        "../../../../etc/passwd",
        "",
        " ",
        "  ",
        "a ",
        " a",
        ".hidden",
        "-rf",
        "--help",
        "~",
        "~root",
        "$HOME",
        "`id`",
        "$(id)",
        "a;b",
        "a|b",
        "a&b",
        "a*b",
        "?",
        "[a]",
        "a\\b",
        "\"",
        "'",
        "a\nb",
        "\n",
        "a\rb",
        "\t",
        "\0",
        "a\0b",
        "%",
        "%%",
        "%2F",
        "%2e%2e",
        "a%",
        "x.csv",
        "x.edn",
        "x.edn.edn",
        ".edn",
        ".err",
        "x.err",
        "CON",
        "nul",
        "\u{1b}[2J",
        "\u{1b}]0;title\u{7}",
        "\u{9b}2J",
        "\u{7f}",
        "\u{8}\u{8}",
        "\u{202e}gpj.exe",
        "\u{200b}",
        "a\u{200b}",
        "\u{feff}a",
        "\u{2028}",
        "\u{2066}x\u{2069}",
        // Alike to the eye: Latin, Cyrillic, composed and not, of full width.
        "ada",
        "аda",
        "é",
        "e\u{301}",
        "ａｄａ",
        "ﬁ",
        "fi",
        "K",
        "\u{212a}",
        "ß",
        "ss",
        "I",
        "ı",
        "😀",
    ]
    .map(str::to_owned)
    .into();
    for len in [200, 239, 240, 241, 255, 256, 4095, 4096, 4097, 10_000] {
        values.push("x".repeat(len));
        values.push("€/".repeat(len / 2));
    }
    // Alike to what long values are called.
    values.push(format!("{}~{}", "x".repeat(200), "0".repeat(32)));
    values.sort();
    values.dedup();
    values
}

/// A string in EDN.
fn quoted(text: &str) -> String {
    let escaped = text.chars().map(|c| match c {
        '"' | '\\' => format!("\\{c}"),
        c if u32::from(c) < 0x20 => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    });
    format!("\"{}\"", escaped.collect::<String>())
}

fn filled() -> (Place, Vec<String>) {
    let (place, values) = (place(), values());
    let indexed = "[{:db/ident :w/alias :db/valueType :db.type/string :db/index true
                     :db/cardinality :db.cardinality/many}]";
    place.ok(&["transact", "db", indexed], "");
    let entity = |(n, value): (usize, &String)| {
        format!("{{:w/key {0} :w/alias {0} :w/n {n}}}", quoted(value))
    };
    let entities: Vec<String> = values.iter().enumerate().map(entity).collect();
    place.ok(&["transact", "db", "-"], &format!("[{}]", entities.join(" ")));
    (place, values)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{folder:?}: {e}"));
    let name = |entry: fs::DirEntry| String::from_utf8(entry.file_name().into_vec()).unwrap();
    entries.map(|entry| name(entry.unwrap())).collect()
}

/// Whether a terminal would only show this.
fn is_harmless(text: &str) -> bool {
    let harmful = |c: char| {
        c.is_control()
            || ('\u{202a}'..='\u{202e}').contains(&c)
            || c == '\u{200b}'
            || c == '\u{feff}'
    };
    !text.contains(harmful)
}

#[test]
fn each_value_has_a_file_of_its_own() {
    if !can_mount() {
        return;
    }
    let (place, values) = filled();
    let mount = Mount::new(&place, "m", &["stock=db"]);
    let unique = mount.path("stock/head/by/w/key");
    let files = names(&unique);
    let distinct: BTreeSet<&String> = files.iter().collect();
    assert_eq!((files.len(), distinct.len()), (values.len(), values.len()));
    let mut found = BTreeSet::new();
    for name in &files {
        assert!(is_harmless(name), "{name:?}");
        assert!(!name.starts_with(['.', '-', ' ']) && name.len() <= 255, "{name:?}");
        let text = fs::read_to_string(unique.join(name)).unwrap();
        let n = text.lines().find_map(|line| line.trim().strip_prefix(":w/n ")).unwrap();
        let n: usize = n.trim_end_matches('}').parse().unwrap();
        assert!(found.insert(n), "{name:?} leads to a value that another name leads to");
    }
    assert_eq!(found, (0..values.len()).collect());
    let listed: BTreeSet<String> = files.into_iter().collect();
    assert_eq!(names(&unique).into_iter().collect::<BTreeSet<_>>(), listed, "the same each time");
    // A value that many entities may have is a folder of links; each leads to its entity.
    let many = mount.path("stock/head/by/w/alias");
    let folders = names(&many);
    assert_eq!(folders.iter().collect::<BTreeSet<_>>().len(), values.len());
    let inside = mount.point.canonicalize().unwrap();
    for folder in folders {
        assert!(is_harmless(&folder), "{folder:?}");
        let links = names(&many.join(&folder));
        assert_eq!(links.len(), 1, "{folder:?}");
        let target = many.join(&folder).join(&links[0]).canonicalize().unwrap();
        assert!(target.starts_with(&inside), "{folder:?} leads to {target:?}");
        assert!(fs::read_to_string(target).unwrap().contains(":w/alias"));
    }
}

/// Names that nobody gave: refused, with an errno, whatever bytes they are.
#[test]
fn names_that_are_none_are_refused() {
    if !can_mount() {
        return;
    }
    let (place, _) = filled();
    let mount = Mount::new(&place, "m", &["stock=db"]);
    let long = "y".repeat(255);
    let names: [&[u8]; 9] = [
        b"\xff\xfe",
        b"a\xffb.edn",
        b"\x1b[2J",
        b"%zz.edn",
        b"%2f.edn",
        b" .edn",
        b"%1B[2J.csv.edn",
        long.as_bytes(),
        "\u{202e}.edn".as_bytes(),
    ];
    for folder in ["stock/head/by/w/key", "stock/head/tables", "stock/tags", "queries", "stock/at"]
    {
        for name in names {
            let path = mount.path(folder).join(std::ffi::OsStr::from_bytes(name));
            let refused = Mount::errno(fs::read(&path));
            let expected = [rustix::io::Errno::NOENT, rustix::io::Errno::INVAL];
            assert!(expected.contains(&refused), "{folder} {name:?}: {refused}");
        }
    }
    assert!(is_harmless(&mount.read(".factfs/last-error").unwrap().replace('\n', "")));
}

#[test]
fn what_is_for_eyes_is_harmless() {
    if !can_mount() {
        return;
    }
    let (place, values) = filled();
    let mount = Mount::new(&place, "m", &["stock=db"]);
    for file in
        ["tables/w.txt", "tables/w.md", "datoms.txt", "query/[:find ?k :where [_ :w/key ?k]].txt"]
    {
        let text = mount.read(&format!("stock/head/{file}")).unwrap();
        let lines = text.lines().count();
        assert!(lines >= values.len(), "{file}: {lines} lines");
        text.lines().for_each(|line| assert!(is_harmless(line), "{file}: {line:?}"));
    }
    // Messages quote what was written, and name the path that was asked for.
    for (name, text) in [
        (
            "a",
            "[:find ?x . :in $stock :where [$stock ?e :w/key \"\u{9b}2J\u{1b}[2J\" ?x ?y ?z ?w]]",
        ),
        ("b", "[:find ?x :where [(\u{9b}2J ?x)]]"),
        ("c", "[:find ?x . :in $stock :where [$stock ?e :w/k\u{202e}ey ?x]]"),
        ("d", "{:\u{1b}[2J 1}"),
    ] {
        fs::write(mount.path(&format!("queries/{name}.edn")), text).unwrap();
        let _ = mount.read(&format!("results/{name}.csv"));
        let said = mount.read(&format!("results/{name}.csv.err")).unwrap();
        assert!(!said.is_empty(), "{text:?}");
        said.lines().for_each(|line| assert!(is_harmless(line), "{text:?}: {said:?}"));
    }
    let _ = mount.write("stock/head/transact", "[{:w/n \"\u{1b}[2J\u{9b}2J\"}]");
    for file in ["stock/head/transact.err", ".factfs/last-error"] {
        let said = mount.read(file).unwrap();
        assert!(!said.is_empty());
        said.lines().for_each(|line| assert!(is_harmless(line), "{said:?}"));
    }
}

/// Values come back from the formats of programs as they are.
#[test]
fn what_is_for_programs_is_exact() {
    if !can_mount() {
        return;
    }
    let (place, values) = filled();
    let mount = Mount::new(&place, "m", &["stock=db"]);
    let query = "stock/head/query/[:find [?k ...] :where [_ :w/key ?k]].json";
    let found: BTreeSet<String> = serde_json::from_str(&mount.read(query).unwrap()).unwrap();
    assert_eq!(found, values.into_iter().collect());
}

/// Attributes and queries, arguments and branches.
#[test]
fn names_of_attributes_and_arguments() {
    if !can_mount() {
        return;
    }
    let place = place();
    let idents = [".hidden/-rf", "w.csv/x.edn", "..a/b", "а/key", "a%2F/b%", "x/é", "x/e\u{301}"];
    let attribute = |ident: &&str| {
        format!(
            "{{:db/ident :{ident} :db/valueType :db.type/string
                   :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}}"
        )
    };
    let attributes: Vec<String> = idents.iter().map(attribute).collect();
    place.ok(&["transact", "db", "-"], &format!("[{}]", attributes.join(" ")));
    let entity = |ident: &&str| format!("{{:{ident} \"../{ident}\"}}");
    let entities: Vec<String> = idents.iter().map(entity).collect();
    place.ok(&["transact", "db", "-"], &format!("[{}]", entities.join(" ")));
    let mount = Mount::new(&place, "m", &["stock=db"]);
    let by = mount.path("stock/head/by");
    let mut count = 0;
    // Idents of the database's own are two levels.
    for ns in names(&by).into_iter().filter(|ns| ns != "db") {
        assert!(!ns.starts_with('.') && is_harmless(&ns), "{ns:?}");
        for name in names(&by.join(&ns)) {
            assert!(!name.starts_with(['.', '-']), "{name:?}");
            for value in names(&by.join(&ns).join(&name)) {
                let text = fs::read_to_string(by.join(&ns).join(&name).join(&value)).unwrap();
                count += usize::from(text.contains("\"../"));
            }
        }
    }
    assert_eq!(count, idents.len());
    let tables = names(&mount.path("stock/head/tables"));
    for table in tables {
        assert!(!table.starts_with('.'), "{table:?}");
        assert!(!fs::read(mount.path("stock/head/tables").join(table)).unwrap().is_empty());
    }
    // An argument is a value, never a path.
    let query = "[:find ?e . :in $ ?v :where [?e :x/é ?v]]";
    fs::write(mount.path("stock/head/queries/find.edn"), query).unwrap();
    let answer = mount.read("stock/head/results/find/%2E.%2Fx%2Fé.csv").unwrap();
    assert!(answer.lines().count() == 2 && answer.lines().nth(1).unwrap().parse::<u64>().is_ok());
    for branch in ["..", ".git", "a/b", "-x", "a\nb", "\u{1b}[2J", "7d", "main.csv", "а", ""] {
        let ran = place.ran(&["branch", "create", "db", branch], "");
        assert_ne!(ran.code, 0, "{branch:?}");
        assert!(ran.stderr.lines().all(is_harmless), "{branch:?}: {:?}", ran.stderr);
    }
}

/// Names that a shell would obey, in the commands that the mount's `README.md` has for pasting.
#[test]
fn what_is_to_be_pasted_does_nothing_else() {
    if !can_mount() {
        return;
    }
    let place = place();
    let attribute = |name: &str| {
        format!(
            "{{:db/ident {name} :db/valueType :db.type/string \
             :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}}"
        )
    };
    let schema = [":a/b'>ran'", ":a>ran|cat/b", ":a/$HOME"].map(attribute).join(" ");
    place.ok(&["init", "evil", "--schema", &format!("[{schema}]")], "");
    place.ok(&["transact", "evil", "[{:a/b'>ran' \"x\" :a>ran|cat/b \"x\" :a/$HOME \"x\"}]"], "");
    let url = "e\u{1b}[2Jvil";
    fs::rename(place.path("evil"), place.path(url)).unwrap();
    let mount = Mount::new(&place, "m", &[&format!("evil={url}")]);
    let readme = mount.read("README.md").unwrap();
    assert!(is_harmless(&readme.replace('\n', "")), "{readme:?}");
    let (examples, _) = readme.split_once("## Where things are").unwrap();
    for command in examples.lines().filter_map(|line| line.strip_prefix("    ")) {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("cd {:?} && {command}", mount.point)]);
        let there = shell.current_dir(place.path("")).output().unwrap();
        assert!(there.status.success(), "{command}: {there:?}");
        assert!(!["'", ">", "|", "$"].iter().any(|c| examples.contains(c)), "{examples}");
    }
    assert!(!examples.contains("ran"), "{examples}");
    assert!(!readme.contains("It is empty"), "{readme}");
}
