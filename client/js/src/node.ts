/** What only Node has. */
import { realpathSync } from 'node:fs';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

import { locked, type Held } from './lock.js';
import type { PurseStorage } from './types.js';

/**
 * Kept in a file of mode 0600, replaced whole by each change and safe on disk before the change
 * counts. Programs in Node, Rust and Python can share it: one pays at a time. A symbolic link stays one: what it
 * leads to is changed.
 */
export function fileStorage(named: string): PurseStorage {
  const path = target(named);
  let purse: Held | undefined;
  return {
    async load() {
      try {
        return await readFile(path, 'utf8');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw error;
      }
    },
    async save(text) {
      const next = `${path}.${process.pid}.new`;
      const file = await open(next, 'w', 0o600);
      try {
        await file.writeFile(text);
        await file.chmod(0o600);
        await file.sync();
      } finally {
        await file.close();
      }
      if (purse && !(await purse.isHeld())) {
        await rm(next, { force: true });
        throw new Error(`cannot write ${path}: this program was suspended for too long: try again`);
      }
      await rename(next, path);
    },
    async lock(name, run) {
      await mkdir(dirname(path), { recursive: true });
      if (name !== 'purse') return locked(`${path}.${fileName(name.replace(/^turn /, ''))}.turn`, run);
      return locked(`${path}.lock`, async (held) => {
        purse = held;
        try {
          return await run();
        } finally {
          purse = undefined;
        }
      });
    },
  };
}

/** One that leads nowhere yet is as good as none. */
function target(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/** An origin as part of a file's name. No two share one: a server could hold up another's payments. */
function fileName(origin: string): string {
  const bytes = [...new TextEncoder().encode(origin)];
  const part = (byte: number): string => {
    const letter = String.fromCharCode(byte);
    return /[a-zA-Z0-9]/.test(letter) ? letter : `-${byte.toString(16).padStart(2, '0')}`;
  };
  return bytes.map(part).join('').slice(0, 180);
}
