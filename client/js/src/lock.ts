/**
 * A lock among programs, in Rust, Node and Python alike: a file that exists while somebody holds it.
 * `client/src/storage/lock.rs` does the same, and says why.
 */
import { randomBytes } from 'node:crypto';
import { lstat, open, readFile, rm, type FileHandle } from 'node:fs/promises';

/** How often it is looked whether another program has finished. */
const POLL_MS = 10;
/** How often a holder dates it anew. */
const BEAT_MS = 1_000;
/** Whose date stays the same for so long holds it no more. */
const ABANDONED_MS = 5_000;

/** The dates of others' locks, and since when each was seen so. Clocks are not compared: disks have their own. */
const seen = new Map<string, { date: number; since: number }>();

/** A lock, while it is held. */
export interface Held {
  /** Whether it is still this holder's: it was not suspended until others took it away. */
  isHeld(): Promise<boolean>;
  release(): Promise<void>;
}

async function make(path: string): Promise<Held | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, 'wx', 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined;
    throw error;
  }
  const token = randomBytes(16).toString('hex');
  await file.writeFile(token);
  const beats = setInterval(() => {
    const now = new Date();
    // Where it fails, others take the lock for abandoned, as they would without us.
    file.utimes(now, now).catch(() => undefined);
  }, BEAT_MS);
  beats.unref();
  const isHeld = async (): Promise<boolean> => (await readFile(path, 'utf8').catch(() => undefined)) === token;
  return {
    isHeld,
    async release() {
      clearInterval(beats);
      await file.close();
      // Whoever was suspended for long has lost it, and leaves its successor's alone.
      if (await isHeld()) await rm(path, { force: true });
    },
  };
}

/** Whether nobody has dated this lock anew for so long as it was looked at. */
async function isAbandoned(path: string): Promise<boolean> {
  // Of a link itself: one that leads nowhere cannot be made anew either.
  const date = await lstat(path).then((found) => found.mtimeMs, () => undefined);
  const before = seen.get(path);
  if (date === undefined) seen.delete(path);
  else if (before?.date !== date) seen.set(path, { date, since: performance.now() });
  else return performance.now() - before.since > ABANDONED_MS;
  return false;
}

async function tryTake(path: string): Promise<Held | undefined> {
  const made = await make(path);
  if (made || !(await isAbandoned(path))) return made;
  // One at a time looks again and takes it away: else a slow one would remove its successor's.
  const by = `${path}.break`;
  const breaks = await make(by);
  if (!breaks) {
    if (await isAbandoned(by)) await rm(by, { force: true });
    return undefined;
  }
  try {
    if (await isAbandoned(path)) await rm(path, { force: true });
  } finally {
    await breaks.release();
  }
  return make(path);
}

/** Runs while nobody else holds the lock. */
export async function locked<T>(path: string, run: (held: Held) => Promise<T>): Promise<T> {
  let held = await tryTake(path);
  while (!held) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    held = await tryTake(path);
  }
  try {
    return await run(held);
  } finally {
    await held.release();
  }
}
