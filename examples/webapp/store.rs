//! The store: documents and their summaries in SQLite.
//!
//! An error of the database ends the incarnation, and the next one opens the file anew: there is one way to recover, and it
//! is the one that runs at every start.

use std::{collections::BTreeMap, path::PathBuf};

use actix::{Actor, Context, Handler, Message};
use actix_supervisor::{ChildSpec, SupervisedContext};
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;

use crate::{
    refusal::Refusal,
    summary::{Summaries, Summary},
};

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;  -- what was committed survives a power failure too
    CREATE TABLE IF NOT EXISTS document (id INTEGER PRIMARY KEY, body TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS summary (
        document INTEGER NOT NULL REFERENCES document (id),
        key TEXT NOT NULL,
        count INTEGER NOT NULL, sum REAL NOT NULL, min REAL NOT NULL, max REAL NOT NULL,
        PRIMARY KEY (document, key)
    ) WITHOUT ROWID;
";

pub(crate) struct Store {
    database: Connection,
}

impl Actor for Store {
    type Context = Context<Self>;
}

impl Store {
    pub(crate) fn spec(path: PathBuf) -> ChildSpec<Store> {
        ChildSpec::try_actor("store", move |_| {
            let database = Connection::open(&path)?;
            database.execute_batch(SCHEMA)?;
            Ok::<_, rusqlite::Error>(Store { database })
        })
    }

    fn work<T>(
        &mut self,
        ctx: &mut Context<Self>,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Refusal> {
        work(&mut self.database).map_err(|error| {
            let told = Refusal::Database(error.to_string());
            ctx.fail(error);
            told
        })
    }
}

/// Commits a document; the answer is its id.
#[derive(Message)]
#[rtype(result = "Result<i64, Refusal>")]
pub(crate) struct Insert {
    pub(crate) body: String,
    pub(crate) summary: Summaries,
    /// Crash halfway, before the commit.
    pub(crate) crash: bool,
}

impl Handler<Insert> for Store {
    type Result = Result<i64, Refusal>;

    fn handle(&mut self, insert: Insert, ctx: &mut Self::Context) -> Self::Result {
        self.work(ctx, |database| {
            let transaction = database.transaction()?;
            transaction.execute("INSERT INTO document (body) VALUES (?)", [&insert.body])?;
            let id = transaction.last_insert_rowid();
            for (key, of) in &insert.summary {
                transaction.execute(
                    "INSERT INTO summary VALUES (?, ?, ?, ?, ?, ?)",
                    params![id, key, of.count as i64, of.sum, of.min, of.max],
                )?;
            }
            assert!(!insert.crash, "crashed on request");
            transaction.commit()?;
            Ok(id)
        })
    }
}

/// The text of a document, as it was posted.
#[derive(Message)]
#[rtype(result = "Result<Option<String>, Refusal>")]
pub(crate) struct Fetch(pub(crate) i64);

impl Handler<Fetch> for Store {
    type Result = Result<Option<String>, Refusal>;

    fn handle(&mut self, Fetch(id): Fetch, ctx: &mut Self::Context) -> Self::Result {
        self.work(ctx, |database| {
            database
                .query_row("SELECT body FROM document WHERE id = ?", [id], |row| row.get(0))
                .optional()
        })
    }
}

/// All documents, summed up.
#[derive(Message)]
#[rtype(result = "Result<Totals, Refusal>")]
pub(crate) struct Total;

#[derive(Serialize)]
pub(crate) struct Totals {
    documents: i64,
    keys: BTreeMap<String, Summary>,
}

impl Handler<Total> for Store {
    type Result = Result<Totals, Refusal>;

    fn handle(&mut self, _: Total, ctx: &mut Self::Context) -> Self::Result {
        self.work(ctx, |database| {
            let documents = database.query_row("SELECT COUNT(*) FROM document", [], |row| row.get(0))?;
            let keys = database
                .prepare("SELECT key, SUM(count), SUM(sum), MIN(min), MAX(max) FROM summary GROUP BY key")?
                .query_map([], |row| {
                    let summary = Summary {
                        count: row.get::<_, i64>(1)? as u64,
                        // SQLite has no NaN: the sum of both infinities is NULL.
                        sum: row.get::<_, Option<f64>>(2)?.unwrap_or(f64::NAN),
                        min: row.get(3)?,
                        max: row.get(4)?,
                    };
                    Ok((row.get(0)?, summary))
                })?
                .collect::<rusqlite::Result<_>>()?;
            Ok(Totals { documents, keys })
        })
    }
}

#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Crash;

impl Handler<Crash> for Store {
    type Result = ();

    fn handle(&mut self, _: Crash, ctx: &mut Self::Context) {
        ctx.fail("crashed on request");
    }
}
