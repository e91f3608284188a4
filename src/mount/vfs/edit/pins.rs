//! Names of pins: `ln -s ID pins/q3`, `mv` and `rm` of such names.
//!
//! **Invariant:** a name is of a pin that is known, which is kept from then on; without its name it
//! is still kept. Names are the mount's own and change no database.

use crate::error::{Failure, Kind, Result};
use crate::name::is_pin_name;
use crate::tree::node::{Name, Node, PinNode};
use crate::vfs::{Found, Vfs};

/// Whether a folder is `pins/`.
pub(super) fn is_pins(parent: &Node) -> bool {
    matches!(parent, Node::Pin(PinNode::Pins))
}

impl Vfs {
    /// Makes a symbolic link to a pin.
    pub(super) fn link_pin(&self, parent: u64, name: &[u8], target: &[u8]) -> Result<Found> {
        let made = self.name_pin(name, target);
        self.note(&self.inode(parent)?.resolved.node.path(), made.as_ref().err());
        made?;
        self.lookup(parent, name)
    }

    fn name_pin(&self, name: &[u8], target: &[u8]) -> Result<()> {
        self.check_pins()?;
        let name = self.free_name(name, false)?;
        let target = std::str::from_utf8(target).unwrap_or_default().trim_end_matches('/');
        let last = target.rsplit('/').next().unwrap_or_default();
        let id = match PinNode::named(last) {
            PinNode::Pin(id) => id,
            _ => self.pin_called(last)?,
        };
        self.tree.pins().name(name, Some(&id))
    }

    fn check_pins(&self) -> Result<()> {
        match self.tree.is_read_only() {
            true => Err(Failure::new(Kind::ReadOnly, "the mount is read-only")),
            false => Ok(()),
        }
    }

    fn pin_called(&self, name: &str) -> Result<Name> {
        let missing = || Failure::not_found(format!("no pin is called `{name}`"));
        self.tree.pins().named(name)?.ok_or_else(missing)
    }

    /// A name that a pin may get.
    fn free_name<'a>(&self, name: &'a [u8], may_replace: bool) -> Result<&'a str> {
        let text = std::str::from_utf8(name).ok().filter(|name| is_pin_name(name));
        let Some(text) = text else {
            let message = format!("`{}` is no name for a pin", String::from_utf8_lossy(name));
            let hint = "a letter, then letters, digits, . _ and -; not like a hash";
            return Err(Failure::new(Kind::Invalid, message).hint(hint));
        };
        match self.tree.pins().named(text)? {
            Some(id) if !may_replace => {
                Err(Failure::new(Kind::Exists, format!("`{text}` is pin {id} already")))
            }
            _ => Ok(text),
        }
    }

    /// Takes the name of a pin away.
    pub(super) fn unname_pin(&self, name: &[u8]) -> Result<()> {
        self.check_pins()?;
        let text = std::str::from_utf8(name).unwrap_or_default();
        if let PinNode::Pin(id) = PinNode::named(text) {
            let message = format!("{id} is a folder");
            return Err(Failure::new(Kind::IsDirectory, message));
        }
        self.pin_called(text)?;
        self.tree.pins().name(text, None)
    }

    /// Gives a pin another name.
    pub(super) fn rename_pin(&self, from: &[u8], to: &[u8], may_replace: bool) -> Result<()> {
        self.check_pins()?;
        let from = std::str::from_utf8(from).unwrap_or_default();
        let id = self.pin_called(from)?;
        if from.as_bytes() == to {
            return Ok(());
        }
        let to = self.free_name(to, may_replace)?;
        self.tree.pins().name(to, Some(&id))?;
        self.tree.pins().name(from, None)
    }
}

#[cfg(test)]
mod tests {
    use crate::error::Kind;
    use crate::fixture::tree;
    use crate::inode::ROOT;
    use crate::spool::Cancel;
    use crate::tree::Entry;
    use crate::vfs::{FOREVER, Mode, Vfs};
    use serde_json::Value as Json;

    const READ: Mode = Mode { read: true, write: false, truncate: false, process: None };

    fn read(vfs: &Vfs, path: &str) -> String {
        let ino = vfs.walk(ROOT, path).unwrap().ino;
        let opened = vfs.open(ino, READ, &Cancel::default()).unwrap();
        let bytes = vfs.read(opened.handle, 0, 1 << 20).unwrap();
        vfs.release(opened.handle);
        String::from_utf8(bytes).unwrap()
    }

    fn meta(vfs: &Vfs) -> (String, String) {
        let about: Json = serde_json::from_str(&read(vfs, "/results/stock.csv.meta")).unwrap();
        let text = |name: &str| about[name].as_str().unwrap().to_owned();
        (text("pin"), text("again"))
    }

    #[test]
    fn a_pin_gets_names_and_loses_them() {
        let vfs = Vfs::new(tree().0, 1 << 20).unwrap();
        let pins = vfs.walk(ROOT, "/pins").unwrap().ino;
        let link = |name: &str, target: &str| {
            vfs.make_link(pins, name.as_bytes(), target.as_bytes()).map(|found| found.attr.ino)
        };
        let kind = |name: &str, target: &str| link(name, target).unwrap_err().kind;
        assert_eq!(kind("q3", "0123456789abcdef"), Kind::NotFound);
        let (id, _) = meta(&vfs);
        let named = link("q3", &id).unwrap();
        assert_eq!(vfs.readlink(named).unwrap(), id);
        assert_eq!(kind("q3", &id), Kind::Exists);
        assert_eq!(kind("0123456789abcdef", &id), Kind::Invalid);
        assert_eq!(kind(".q", &id), Kind::Invalid);
        link("other", "../pins/q3/").unwrap();
        vfs.rename((pins, b"other"), (pins, b"q4"), false).unwrap();
        assert_eq!(vfs.readlink(vfs.walk(ROOT, "/pins/q4").unwrap().ino).unwrap(), id);
        vfs.unlink(pins, b"q3").unwrap();
        assert_eq!(vfs.unlink(pins, b"q3").unwrap_err().kind, Kind::NotFound);
        assert_eq!(vfs.unlink(pins, id.as_bytes()).unwrap_err().kind, Kind::IsDirectory);
        let elsewhere = vfs.walk(ROOT, "/catalog").unwrap().ino;
        assert_eq!(vfs.make_link(elsewhere, b"x", b"y").unwrap_err().kind, Kind::ReadOnly);
    }

    #[test]
    fn what_a_meta_names_is_cached_for_ever_and_has_its_size() {
        let vfs = Vfs::new(tree().0, 1 << 20).unwrap();
        let (id, again) = meta(&vfs);
        let (folder, name) = again.rsplit_once('/').unwrap();
        let folder = vfs.walk(ROOT, &format!("/{folder}")).unwrap();
        assert_eq!(folder.ttl, FOREVER);
        let found = vfs.lookup(folder.ino, name.as_bytes()).unwrap();
        assert_eq!(found.name_ttl, FOREVER);
        let size = vfs.attr(found.attr.ino, None, &Cancel::default()).unwrap().size_bytes;
        assert_eq!(size as usize, read(&vfs, &format!("/{again}")).len());
        // It is the same file as the result was, made once.
        assert_eq!(vfs.walk(ROOT, "/results/stock.csv").unwrap().ino, found.attr.ino);
        let link = vfs.lookup(vfs.walk(ROOT, &format!("/pins/{id}")).unwrap().ino, b"catalog");
        assert_eq!(link.unwrap().name_ttl, FOREVER);
        let inode = vfs.inode(vfs.walk(ROOT, &format!("/pins/{id}/pin.edn")).unwrap().ino).unwrap();
        assert!(matches!(inode.resolved.entry, Entry::Bytes(_)) && inode.resolved.is_fixed);
    }
}
