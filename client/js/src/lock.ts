/**
 * A lock among programs, in Rust, Node and Python alike: a file that exists while somebody holds it.
 * `client/src/storage/lock.rs` does the same, and says why.
 */
import { randomBytes } from 'node:crypto';
import { open, readFile, rm, stat, type FileHandle } from 'node:fs/promises';

/** How often it is looked whether another program has finished. */
const POLL_MS = 10;
/** How often a holder says that it lives. */
const BEAT_MS = 1_000;
/** Who has been silent for so long holds it no more. */
const ABANDONED_MS = 5_000;

interface Held {
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
  return {
    async release() {
      clearInterval(beats);
      await file.close();
      // Whoever was suspended for long has lost it, and leaves its successor's alone.
      const found = await readFile(path, 'utf8').catch(() => undefined);
      if (found === token) await rm(path, { force: true });
    },
  };
}

/** Whether its holder has been silent for too long, or clocks were set back by as much. */
async function isAbandoned(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found !== undefined && Math.abs(Date.now() - found.mtimeMs) > ABANDONED_MS;
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
export async function locked<T>(path: string, run: () => Promise<T>): Promise<T> {
  let held = await tryTake(path);
  while (!held) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    held = await tryTake(path);
  }
  try {
    return await run();
  } finally {
    await held.release();
  }
}
