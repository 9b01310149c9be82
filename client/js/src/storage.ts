import type { PurseStorage } from './types.js';

/** Kept in this page's `localStorage`, and locked against other tabs where browsers can. */
export function localStoragePurse(key = 'stripe402'): PurseStorage {
  const storage = globalThis.localStorage;
  if (!storage) throw new TypeError('there is no localStorage here; name another storage');
  const locks = globalThis.navigator?.locks;
  return {
    load: () => storage.getItem(key),
    save: (purse) => storage.setItem(key, purse),
    ...(locks ? { lock: async <T>(name: string, run: () => Promise<T>): Promise<T> => await locks.request(`${key}:${name}`, run) as T } : {}),
  };
}

export function chosen(storage: 'memory' | 'localStorage' | PurseStorage | undefined): PurseStorage | undefined {
  if (storage === undefined || storage === 'memory') return undefined;
  return storage === 'localStorage' ? localStoragePurse() : storage;
}
