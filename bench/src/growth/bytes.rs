//! How much a store holds.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    path::PathBuf,
    time::Duration,
};

use crate::{Result, store::postgres_bytes};

pub(super) enum Server {
    File(PathBuf),
    Redis { url: String, port: u16 },
    Postgres(String),
}

impl Server {
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::Redis { .. } => "Redis",
            Self::Postgres(_) => "PostgreSQL",
        }
    }

    pub(super) fn url(&self) -> String {
        match self {
            Self::File(path) => format!("file:{}", path.display()),
            Self::Redis { url, .. } | Self::Postgres(url) => url.clone(),
        }
    }

    /// Of the file: the pages in use, with what is free in them. Of Redis: memory. Of PostgreSQL: the
    /// database on disk.
    pub(super) async fn bytes(&self) -> Result<u64> {
        match self {
            Self::File(path) => {
                let mut database = loop {
                    match redb::Database::open(path) {
                        // The thread that writes lets go of it in a moment.
                        Err(redb::DatabaseError::DatabaseAlreadyOpen) => {
                            tokio::time::sleep(Duration::from_millis(10)).await;
                        }
                        opened => break opened?,
                    }
                };
                // What was freed is not told apart from what is used before it is moved together.
                while database.compact()? {}
                let transaction = database.begin_write()?;
                let stats = transaction.stats()?;
                transaction.abort()?;
                Ok(stats.allocated_pages() * u64::try_from(stats.page_size())?)
            }
            Self::Redis { port, .. } => used_memory(*port),
            Self::Postgres(url) => postgres_bytes(url),
        }
    }
}

fn used_memory(port: u16) -> Result<u64> {
    let mut redis = TcpStream::connect(("127.0.0.1", port))?;
    redis.write_all(b"INFO memory\r\nQUIT\r\n")?;
    let mut said = String::new();
    redis.read_to_string(&mut said)?;
    let used = said.lines().find_map(|line| line.strip_prefix("used_memory:"));
    Ok(used.ok_or("Redis did not say how much it uses")?.trim().parse()?)
}
