//! What this machine has for mounting.

use super::finding::Finding;
use factfs_mount::point;
use factfs_store::Kind;
use rustix::process::{Resource, geteuid, getrlimit};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

/// The right to mount, as a bit of the effective capabilities.
const SYS_ADMIN: u64 = 1 << 21;
/// Fewer open files may be too few for a busy mount.
const FEW_FILES: u64 = 1024;

/// What can be found out without any mount or store.
pub fn machine() -> Vec<Finding> {
    let mut all = vec![versions(), kernel(), device()];
    all.push(if geteuid().is_root() { right_to_mount() } else { fusermount() });
    all.push(allow_other());
    all.push(files());
    all
}

fn versions() -> Finding {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let fusermount = Command::new("fusermount3").arg("--version").output();
    let fusermount = fusermount.map(|said| String::from_utf8_lossy(&said.stdout).into_owned());
    let fusermount = fusermount.unwrap_or_else(|_| "no fusermount3".to_owned());
    let found =
        format!("factfs {}, Linux {}, {fusermount}", env!("CARGO_PKG_VERSION"), kernel.trim());
    Finding::well("versions", found.trim())
}

fn kernel() -> Finding {
    let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    match known.lines().any(|line| line.trim() == "nodev\tfuse" || line.ends_with("\tfuse")) {
        true => Finding::well("kernel", "it knows fuse"),
        false => Finding::failure(
            "kernel",
            Kind::Unsupported,
            "it does not know fuse",
            "as root: modprobe fuse",
        ),
    }
}

fn device() -> Finding {
    match point::open_device() {
        Ok(()) => Finding::well("/dev/fuse", "it is there and open to this user"),
        Err(failure) => Finding::error("/dev/fuse", failure.kind, &failure.to_string()),
    }
}

fn right_to_mount() -> Finding {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let set = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let set = set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    match set {
        Some(set) if set & SYS_ADMIN == 0 => Finding::failure(
            "right to mount",
            Kind::Denied,
            "this root may not mount (no CAP_SYS_ADMIN)",
            "in a container: --cap-add SYS_ADMIN --device /dev/fuse",
        ),
        Some(_) => Finding::well("right to mount", "root, with CAP_SYS_ADMIN"),
        None => Finding::warning("right to mount", "it could not be read", "mount /proc"),
    }
}

fn fusermount() -> Finding {
    const CHECK: &str = "fusermount3";
    let Some(file) = point::fusermount() else {
        let hint = "install the package fuse3 (Debian, Ubuntu, Fedora, Arch: fuse3)";
        return Finding::failure(CHECK, Kind::NotFound, "it is not installed", hint);
    };
    let shown = file.display().to_string();
    let is_setuid = |file: &Path| {
        let about = fs::metadata(file).ok()?;
        Some(about.permissions().mode() & 0o4000 != 0 && about.uid() == 0)
    };
    match is_setuid(&file) {
        Some(true) if !Path::new(point::MTAB).exists() => {
            let found = format!("{shown} cannot unmount: there is no {}", point::MTAB);
            Finding::warning(CHECK, found, point::NO_MTAB)
        }
        Some(true) => Finding::well(CHECK, shown),
        _ => Finding::failure(
            CHECK,
            Kind::Denied,
            format!("{shown} does not run as root"),
            "as root: chmod u+s on it, or install the package fuse3 again",
        ),
    }
}

fn allow_other() -> Finding {
    const CHECK: &str = "user_allow_other";
    if geteuid().is_root() {
        return Finding::well(CHECK, "root needs none");
    }
    let config = fs::read_to_string("/etc/fuse.conf").unwrap_or_default();
    match config.lines().any(|line| line.trim() == CHECK) {
        true => Finding::well(CHECK, "it is in /etc/fuse.conf"),
        false => Finding::warning(
            CHECK,
            "it is not in /etc/fuse.conf: --allow-other will be refused",
            "where it is wanted, as root: echo user_allow_other >> /etc/fuse.conf",
        ),
    }
}

fn files() -> Finding {
    match getrlimit(Resource::Nofile).current {
        Some(limit) if limit < FEW_FILES => Finding::warning(
            "open files",
            format!("a process may have {limit}"),
            "ulimit -n 4096, or LimitNOFILE= in a unit of systemd",
        ),
        Some(limit) => Finding::well("open files", format!("a process may have {limit}")),
        None => Finding::well("open files", "a process may have any number"),
    }
}
