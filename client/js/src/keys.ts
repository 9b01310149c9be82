/** Keys: client ids for others, which spend your balance within limits of their own. */
import { toError } from './errors.js';
import { isPrivate } from './settle.js';

/** Who asks: a card of yours, or a key of yours that may manage keys. */
export type KeyProof = { paymentMethodId: string } | { clientId: string };

/** How much a key may spend, in units; where a limit is absent there is none. Days and months are UTC. */
export interface KeyBudget {
  total?: number;
  perDay?: number;
  perMonth?: number;
}

/** When a key tops up its owner's balance by itself, in units. Only a card can agree to it. */
export interface KeyAutoTopUp {
  /** When the balance is below that; 0 in a change is no more. */
  below: number;
  /** What the card is charged then. */
  amount?: number;
  /** How much in a month, UTC. */
  monthlyMost?: number;
}

/** What a key shall be. */
export interface KeyTerms {
  /** 1 to 64 characters; needed for a new key. */
  label?: string;
  /** `usd` if absent. A key's currency stays. */
  currency?: string;
  /** Replaced as a whole. */
  budget?: KeyBudget;
  /** Unix milliseconds; 0 in a change is never. */
  expires?: number;
  /** Names of routes, or beginnings of names with a `*` behind; all if there are none. */
  routes?: string[];
  /** What it may besides spending. A key's rights stay. */
  rights?: 'manage'[];
  autoTopUp?: KeyAutoTopUp;
}

/** A key as its owner is shown it. Amounts are in units, times are Unix milliseconds. */
export interface Key {
  /** Its name: a hash of it, which spends nothing. */
  id: string;
  /** The key itself, a client id for whoever shall spend; there only when it is made. */
  key?: string;
  label: string;
  state: 'active' | 'expired' | 'revoked';
  currency: string;
  budget: KeyBudget;
  /** With what its open holds may come to. */
  spent: number;
  /** Of its budget, now; absent where there is no limit. */
  left?: number;
  routes: string[];
  rights: 'manage'[];
  created: number;
  expires?: number;
  revoked?: number;
  lastUsed?: number;
  /** With what was charged in this month, and why it does so no more, if it does not. */
  autoTopUp?: Required<KeyAutoTopUp> & {
    thisMonth: number;
    off?: { reason: 'declined' | 'authentication_required' | 'frozen' | 'operator' | 'owner'; at: number };
  };
}

/** How a gateway is asked. */
export interface KeyOptions {
  /** Makes one key, or rotates once, however often it is asked for. */
  idempotencyKey?: string;
  /** Whether to ask over plain http, too. */
  allowHttp?: boolean;
  fetch?: typeof globalThis.fetch;
}

/** A gateway did not do what was asked of keys. `body` is what it said. */
export class KeyRefusedError extends Error {
  constructor(
    readonly status: number,
    readonly body: unknown,
  ) {
    const said = body as { error?: { message?: unknown } | string } | null;
    const text = typeof said?.error === 'string' ? said.error : said?.error?.message;
    super(typeof text === 'string' ? text : `the gateway answered ${status}`);
    this.name = new.target.name;
  }
}

/** Makes a key at the server of a URL. Its `key` is shown this once. */
export function createKey(url: string | URL, proof: KeyProof, terms: KeyTerms, options: KeyOptions = {}): Promise<Key> {
  return ask(url, 'POST', '', { ...proof, key: terms, idempotencyKey: options.idempotencyKey }, options) as Promise<Key>;
}

/** All keys, without the keys themselves. */
export async function listKeys(url: string | URL, proof: KeyProof, options: KeyOptions = {}): Promise<Key[]> {
  return ((await ask(url, 'GET', '', proof, options)) as { keys: Key[] }).keys;
}

/** Changes a key, by its id. */
export function changeKey(url: string | URL, proof: KeyProof, id: string, terms: KeyTerms, options: KeyOptions = {}): Promise<Key> {
  return ask(url, 'PATCH', `/${encodeURIComponent(id)}`, { ...proof, key: terms }, options) as Promise<Key>;
}

/** Revokes a key, by its id, for good. */
export function revokeKey(url: string | URL, proof: KeyProof, id: string, options: KeyOptions = {}): Promise<Key> {
  return ask(url, 'DELETE', `/${encodeURIComponent(id)}`, proof, options) as Promise<Key>;
}

/** The client id that a card has after it was rotated. */
export interface RotatedId {
  clientId: string;
  /** How often the card's id was rotated. */
  generation: number;
  /** Until when the ids before it spend, in Unix milliseconds. */
  oldUntil: number;
}

/** Rotates a card's client id: those so far spend for `graceSeconds` more, 0 if absent. */
export function rotateId(
  url: string | URL,
  proof: { paymentMethodId: string },
  options: KeyOptions & { graceSeconds?: number } = {},
): Promise<RotatedId> {
  const { graceSeconds, idempotencyKey } = options;
  return ask(url, 'POST', '/rotate', { ...proof, graceSeconds, idempotencyKey }, options) as Promise<RotatedId>;
}

async function ask(url: string | URL, method: string, below: string, payment: object, options: KeyOptions): Promise<unknown> {
  const { origin } = new URL(url);
  if (!isPrivate(origin, options.allowHttp ?? false)) {
    throw toError({ code: 'not_encrypted', message: `${origin} is asked over https only`, origin });
  }
  const bytes = new TextEncoder().encode(JSON.stringify({ stripe402Version: 1, ...payment }));
  const headers = { payment: btoa(String.fromCharCode(...bytes)) };
  const fetch = options.fetch ?? globalThis.fetch;
  const answer = await fetch(`${origin}/.well-known/stripe402/keys${below}`, { method, headers, redirect: 'manual' });
  const body: unknown = await answer.json().catch(() => null);
  if (!answer.ok) throw new KeyRefusedError(answer.status, body);
  return body;
}
