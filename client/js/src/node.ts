/** What only Node has. */
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

import type { PurseStorage } from './types.js';

const POLL_MS = 10;
/** Nobody keeps it for so long who is still alive: it is held for one reading and writing. */
const ABANDONED_MS = 30_000;

/**
 * Kept in a file of mode 0600, replaced whole by each change and safe on disk before the change
 * counts. Node programs can share it; one that pays while another does waits at the server.
 */
export function fileStorage(path: string): PurseStorage {
  return {
    async load() {
      try {
        return await readFile(path, 'utf8');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw error;
      }
    },
    async save(purse) {
      const next = `${path}.${process.pid}.new`;
      const file = await open(next, 'w', 0o600);
      try {
        await file.writeFile(purse);
        await file.chmod(0o600);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(next, path);
    },
    async lock(name, run) {
      // Payments of two programs are kept apart by the server; only the file must not be torn.
      if (name !== 'purse') return run();
      const held = `${path}.held`;
      await mkdir(dirname(path), { recursive: true });
      for (;;) {
        try {
          await mkdir(held);
          break;
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
          const age = await stat(held).then((found) => Date.now() - found.mtimeMs, () => 0);
          if (age > ABANDONED_MS) await rm(held, { recursive: true, force: true });
          else await new Promise((resolve) => setTimeout(resolve, POLL_MS));
        }
      }
      try {
        return await run();
      } finally {
        await rm(held, { recursive: true, force: true });
      }
    },
  };
}
