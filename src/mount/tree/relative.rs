//! Where a link leads that somebody wants to make.
//!
//! **Invariant:** it is followed as the kernel would, component by component, through the links of
//! the tree, and never leaves the mount.

use super::node::{At, Name, Node, Place};
use super::{Entry, Tree, path};
use crate::error::{Failure, Kind, Result};

/// Links that lead to links.
const MOST_STEPS: usize = 64;

impl Tree {
    /// The printed id of the commit that the text of a link in a store's folder leads to.
    pub fn commit_of_link(&self, folder: &Node, store: &Name, target: &str) -> Result<String> {
        let wrong = |why: &str| {
            let message = format!("`{target}` {why}");
            let hint = "a target is a commit of the same store, seen from the folder of the link: \
                        ln -s ../commits/ID NAME";
            Failure::new(Kind::Invalid, message).hint(hint)
        };
        if target.starts_with('/') {
            return Err(wrong("is an absolute path, which is another place in another mount"));
        }
        match self.follow(folder, target) {
            Ok(Node::Snapshot(Place { store: found, .. })) if found != *store => {
                Err(wrong("is in another store"))
            }
            Ok(Node::Snapshot(place)) => match &place.at {
                At::Commit(id) => self.moment(&place).map(|_| id.to_string()),
                At::Branch(_) => Ok(self.moment(&place)?.id()),
            },
            Ok(_) => Err(wrong("is no commit")),
            Err(failure) if failure.kind == Kind::NotFound => {
                Err(wrong(&format!("leads nowhere: {}", failure.message)))
            }
            Err(failure) => Err(failure),
        }
    }

    fn follow(&self, folder: &Node, target: &str) -> Result<Node> {
        let mut stack = vec![Node::Root];
        for name in components(&folder.path()) {
            let missing = || Failure::not_found(folder.path());
            stack.push(stack.last().and_then(|node| path::child(node, name)).ok_or_else(missing)?);
        }
        let mut left: Vec<String> = components(target).rev().map(str::to_owned).collect();
        for _ in 0..MOST_STEPS {
            let Some(name) = left.pop() else {
                return Ok(stack.pop().unwrap_or(Node::Root));
            };
            if name == ".." {
                stack.pop();
                if stack.is_empty() {
                    return Err(Failure::not_found("it leads out of the mount"));
                }
                continue;
            }
            let parent = stack.last().unwrap_or(&Node::Root);
            let missing = || Failure::not_found(format!("nothing is called `{name}` there"));
            let node = path::child(parent, &name).ok_or_else(missing)?;
            match self.resolve(&node)?.entry {
                Entry::Link(target) => left.extend(components(&target).rev().map(str::to_owned)),
                _ => stack.push(node),
            }
        }
        Err(Failure::not_found("there are too many links on the way"))
    }
}

fn components(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split('/').filter(|name| !name.is_empty() && *name != ".")
}
