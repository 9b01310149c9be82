/** What only Node has. */
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

import { locked } from './lock.js';
import type { PurseStorage } from './types.js';

/**
 * Kept in a file of mode 0600, replaced whole by each change and safe on disk before the change
 * counts. Programs in Node, Rust and Python can share it: one pays at a time.
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
      await mkdir(dirname(path), { recursive: true });
      // Two origins that share a name here would only wait for each other.
      const origin = name.replace(/^turn /, '').replace(/[^a-zA-Z0-9]/g, '-').slice(0, 150);
      return locked(name === 'purse' ? `${path}.lock` : `${path}.${origin}.turn`, run);
    },
  };
}
