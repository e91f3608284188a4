//! Committing what was written as a whole: documents, and entities that were edited.
//!
//! **Invariant:** a document's transaction has an id of its name and its bytes, so that the same
//! bytes under the same name are committed once. How it ended is a file beside it, and the errno of
//! the call that ended it. An entity that is left as it was makes no transaction.

use crate::error::{Failure, Kind, Result};
use crate::render;
use crate::source::{Make, Mounted};
use crate::tree::node::{At, BranchPart, Name, Node, Place};
use crate::vfs::Vfs;
use crate::written::{Edited, document, once};
use factfs_core::db::{Db, TxReport};
use factfs_core::edn::{Form, FormKind, Span};
use factfs_core::hash::NodeHash;
use factfs_core::id::EntityId;
use factfs_core::text::Format;
use std::sync::Arc;

/// How many hexadecimal digits of a document's hash its transaction is known by.
const DIGITS: usize = 32;

impl Vfs {
    /// The store and the branch that a folder is in.
    fn place_of(&self, folder: &Node) -> Result<(&Mounted, Name)> {
        match folder {
            Node::Branch(store, branch, BranchPart::Inbox)
            | Node::Part(Place { store, at: At::Branch(branch) }, _) => {
                Ok((self.tree.mounted(store)?, branch.clone()))
            }
            other => Err(Failure::new(Kind::ReadOnly, other.path())),
        }
    }

    /// Commits a document, and keeps word of how that ended.
    pub(super) fn commit_document(
        &self,
        folder: &Node,
        name: &str,
        format: Format,
        bytes: &[u8],
    ) -> Result<()> {
        let hash = NodeHash::of(bytes).to_string();
        let tx_id = format!("inbox/{name}/{}", &hash[..DIGITS]);
        let committed = document(format, bytes).and_then(|make| {
            let (mounted, branch) = self.place_of(folder)?;
            mounted.source.transact_made(&branch, Some(&tx_id), &once(&tx_id, make))
        });
        self.keep_word(folder, name, committed.as_ref());
        self.hurry();
        committed.map(drop)
    }

    /// Keeps word of how a document ended, in a file beside it.
    pub(super) fn keep_word(
        &self,
        folder: &Node,
        name: &str,
        committed: std::result::Result<&TxReport, &Failure>,
    ) {
        let (said, kept, gone) = match committed {
            Ok(report) => (render::result(report), "result", "err"),
            Err(failure) => (failure.text(), "err", "result"),
        };
        self.drafts.unlink(folder, &format!("{name}.{gone}"));
        let beside = format!("{name}.{kept}");
        self.drafts.put(folder, &beside, said.as_bytes(), self.tree.now_ms());
        for name in self.drafts.trim(folder) {
            for suffix in ["result", "err"] {
                self.drafts.unlink(folder, &format!("{name}.{suffix}"));
            }
        }
        self.note(&format!("{}/{name}", folder.path()), committed.err());
    }

    /// Changes an entity as its text was.
    pub(super) fn change_entity(
        &self,
        folder: &Node,
        name: &str,
        of: (EntityId, Format),
        bytes: &[u8],
    ) -> Result<()> {
        let done = self.transact_entity(folder, of, bytes);
        self.note_written(&format!("{}/{name}", folder.path()), done.as_ref().err());
        self.hurry();
        done
    }

    fn transact_entity(
        &self,
        folder: &Node,
        (e, format): (EntityId, Format),
        bytes: &[u8],
    ) -> Result<()> {
        let edited = Edited::read(format, bytes, e)?;
        let (mounted, branch) = self.place_of(folder)?;
        if edited.forms(&self.tree.head(mounted, &branch)?.db)?.is_empty() {
            return Ok(());
        }
        let make: Make = Arc::new(move |db: &Db| {
            let forms = FormKind::Vector(edited.forms(db)?);
            Ok(Form { kind: forms, span: Span::default() })
        });
        mounted.source.transact_made(&branch, None, &make).map(drop)
    }
}
