//! A client that erases.
//!
//! **Invariant:** what it was told is erased does not come back, and what was begun is erased by
//! the same purge again.

use super::client::{Client, GRACE_MS, oldest_doc};
use crate::conn::{ConnError, Erase, Purge, PurgeError};
use crate::store::Host;

impl Client {
    /// Erases what others said.
    pub(super) async fn purge(self) {
        let conn = self.open_at_last().await;
        while !self.over() {
            let said = match conn.refresh().await {
                // Not to be read any more: the next time.
                Ok(db) => oldest_doc(&db).ok().flatten().map(|doc| (doc, db)),
                Err(error) => {
                    self.book.check_error("refresh", &error);
                    None
                }
            };
            if let Some((doc, db)) = said {
                let erase = match self.network.dice(3) {
                    0 => {
                        let now_ms = db.snapshot().instant_ms.unwrap_or_default();
                        Erase::Before(now_ms - self.network.dice(600) as i64)
                    }
                    _ => Erase::Entity(doc.e),
                };
                self.book.pages().purges.push(erase.clone());
                match self.purge_once(erase.clone(), GRACE_MS).await {
                    Ok(()) if matches!(erase, Erase::Entity(_)) => {
                        self.book.pages().erased.push(erase);
                    }
                    Ok(()) => {}
                    Err(PurgeError::Branched | PurgeError::Conn(ConnError::Superseded(_))) => {
                        self.book.pages().figures.superseded += 1;
                    }
                    Err(PurgeError::Conn(error)) => self.book.check_error("purge", &error),
                    Err(error) => self.book.wrong(format!("purge: {error}")),
                }
            }
            self.network.sleep(self.network.dice(400)).await;
        }
    }

    async fn purge_once(&self, erase: Erase, grace_ms: u64) -> Result<(), PurgeError> {
        let purge = Purge { erase, grace_ms };
        let erased = self.place().purge(&purge, &mut |_, _| ()).await?;
        let figures = &mut self.book.pages().figures;
        figures.purges += 1;
        figures.erased += erased.datoms as usize;
        Ok(())
    }

    /// What was begun to be erased is erased by the same purge again, and then nothing is left.
    pub(super) async fn finish_purges(&self) -> Result<(), PurgeError> {
        let done = self.book.pages().erased.clone();
        for erase in done {
            match self.place().purge_dry(&erase, &mut |_, _| ()).await {
                Ok(left) if left.datoms == 0 => {}
                Ok(left) => self.book.wrong(format!("{erase:?} came back: {left:?}")),
                Err(error) => self.book.wrong(format!("purge: {error}")),
            }
        }
        let begun = self.book.pages().purges.clone();
        for erase in begun {
            self.purge_once(erase.clone(), 0).await?;
            match self.place().purge_dry(&erase, &mut |_, _| ()).await {
                Ok(left) if left.datoms == 0 && left.packs == 0 => {}
                Ok(left) => self.book.wrong(format!("{erase:?} left {left:?}")),
                Err(error) => self.book.wrong(format!("purge: {error}")),
            }
        }
        Ok(())
    }
}
