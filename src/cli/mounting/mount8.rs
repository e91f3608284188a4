//! What `mount -t factfs` hands over: `mount.factfs SPEC DIR [-sfnvrw] [-o OPTIONS]`.
//!
//! **Invariant:** options that are for others are taken and left alone; all else is refused, unless
//! `mount` was told to be sloppy.

use super::options::{self, Row};
use std::ffi::OsStr;
use std::path::Path;

/// What is asked for.
#[derive(Debug, Default)]
pub struct Asked {
    /// Databases, `NAME=URL;NAME=URL`, or the name of a mount in the config file.
    pub spec: String,
    /// Where.
    pub point: String,
    /// Options.
    pub options: Vec<(&'static Row, String)>,
    /// Whether nothing is to be done.
    pub is_fake: bool,
}

/// Whether the program was run under the name of a helper of `mount`.
pub fn is_called(program: &OsStr) -> bool {
    let name = Path::new(program).file_name().and_then(OsStr::to_str).unwrap_or_default();
    matches!(name, "mount.factfs" | "mount.fuse.factfs")
}

/// Reads its arguments.
pub fn read(args: &[String]) -> Result<Asked, String> {
    let (mut asked, mut places, mut lists) = (Asked::default(), Vec::new(), Vec::new());
    let mut is_sloppy = false;
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let value = |args: &mut std::slice::Iter<'_, String>, arg: &str| match arg.len() {
            2 => args.next().cloned().ok_or_else(|| format!("{arg} takes a value")),
            _ => Ok(arg[2..].to_owned()),
        };
        match arg.as_bytes() {
            [b'-', b'o', ..] => lists.push(value(&mut args, arg)?),
            // The type, and a namespace that mount has entered already.
            [b'-', b't' | b'N', ..] => drop(value(&mut args, arg)?),
            [b'-', letters @ ..] if !letters.is_empty() => {
                for letter in letters {
                    match letter {
                        b'f' => asked.is_fake = true,
                        b's' => is_sloppy = true,
                        b'r' => lists.push("ro".to_owned()),
                        b'n' | b'v' | b'w' => {}
                        _ => return Err(format!("what is {arg}?")),
                    }
                }
            }
            _ => places.push(arg.clone()),
        }
    }
    for list in lists {
        for part in list.split(',') {
            match options::list(part) {
                Ok(given) => asked.options.extend(given),
                Err(_) if is_sloppy => {}
                Err(why) => return Err(why),
            }
        }
    }
    match <[String; 2]>::try_from(places) {
        Ok([spec, point]) => Ok(Asked { spec, point, ..asked }),
        Err(places) => {
            let said = places.join(" ");
            Err(format!("SPEC and DIR are expected, and `{said}` is not that"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(line: &str) -> Result<Asked, String> {
        read(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn as_mount_calls_it() {
        let asked = ask("a=/srv/a;b=/srv/b /mnt -sn -o rw,noauto,time=5s -t factfs -r").unwrap();
        let options: Vec<&str> = asked.options.iter().map(|(row, _)| row.name).collect();
        assert_eq!((asked.spec.as_str(), asked.point.as_str()), ("a=/srv/a;b=/srv/b", "/mnt"));
        assert_eq!((options, asked.is_fake), (vec!["ro", "time", "ro"], false));
        assert!(ask("a=/srv/a /mnt -f").unwrap().is_fake);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let refused = |line: &str| ask(line).unwrap_err();
        assert_eq!(refused("/mnt"), "SPEC and DIR are expected, and `/mnt` is not that");
        assert_eq!(refused("a /m -o siez=auto"), "there is no option `siez`; did you mean `size`?");
        assert_eq!(refused("a /m -o"), "-o takes a value");
        assert_eq!(refused("a /m -q"), "what is -q?");
        assert!(ask("a /m -s -o siez=auto").is_ok());
    }

    #[test]
    fn names_under_which_it_is_called() {
        assert!(is_called("/sbin/mount.factfs".as_ref()));
        assert!(is_called("mount.fuse.factfs".as_ref()));
        assert!(!is_called("/usr/bin/factfs".as_ref()));
    }
}
