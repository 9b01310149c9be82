/** What a metered request cost: asked for, since fetch shows no trailers. */
import { toError } from './errors.js';
import type { Hold, Settlement } from './types.js';
import type { Wallet } from './wallet.js';

type Fetch = typeof globalThis.fetch;

/** For one answer; an address that is silent for so long is asked again, or given up. */
const PATIENCE_MS = 2_000;

/** Whether credentials may go there: encrypted, within this machine, or as the caller wants. */
export function isPrivate(origin: string, allowHttp: boolean): boolean {
  const here = /^http:\/\/(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/.test(origin);
  return origin.startsWith('https://') || here || allowHttp;
}

/** A `payment` header that names who we are, and pays nothing. */
export function showing(clientId: string): string {
  return btoa(JSON.stringify({ stripe402Version: 1, clientId }));
}

/** Asks the hold's origin, for a few seconds while the hold is open. */
export async function settle(wallet: Wallet, fetch: Fetch, hold: Hold): Promise<Settlement> {
  const clientId = (await wallet.known(hold.origin))?.clientId;
  if (clientId === undefined) {
    throw toError({ code: 'unsettled', message: `nothing is known of ${hold.origin} any more; the whole hold counts as spent` });
  }
  if (!isPrivate(hold.origin, wallet.options.allowHttp ?? false)) {
    throw toError({ code: 'not_encrypted', message: `${hold.origin} is asked over https only`, origin: hold.origin });
  }
  const began = performance.now();
  for (;;) {
    const told = await ask(fetch, hold, clientId);
    const heard = await wallet.settle(hold, told, performance.now() - began);
    if (heard.settlement) return heard.settlement;
    if (heard.error) throw toError(heard.error);
    await new Promise((resolve) => setTimeout(resolve, heard.after));
  }
}

/** `null` if there is no answer. */
async function ask(fetch: Fetch, hold: Hold, clientId: string): Promise<{ status: number; body: string } | null> {
  const giveUp = new AbortController();
  const timer = setTimeout(() => giveUp.abort(), PATIENCE_MS);
  try {
    const url = `${hold.origin}/.well-known/stripe402/receipts/${hold.id}`;
    const headers = { payment: showing(clientId) };
    const answer = await fetch(url, { headers, redirect: 'manual', signal: giveUp.signal });
    return { status: answer.status, body: await answer.text() };
  } catch {
    return null;
  } finally {
    clearTimeout(timer);
  }
}
