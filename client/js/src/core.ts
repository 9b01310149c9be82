/** The rules, compiled from Rust: loaded once, from this package itself. */
import init, { Core, explain as explainHeader, type Call } from './generated/core.js';
import { WASM } from './generated/wasm.js';
import { toError, type Failure } from './errors.js';
import type { Paid, Settlement, Terms } from './types.js';

export type Step = { keepsTurn: boolean; changed: boolean } & (
  | { step: 'send'; payment: string | null }
  | { step: 'ask' }
  | { step: 'takeTurn' }
  | { step: 'askForCard'; terms: Terms }
  | { step: 'pause'; seconds: number }
  | { step: 'done'; paid: Paid | null }
  | { step: 'fail'; error: Failure }
);

/** What an answer about a hold leads to: an end, another question after so many milliseconds, or neither. */
export interface Settling {
  changed: boolean;
  settlement?: Settlement;
  after?: number;
  error?: Failure;
}

export type Event =
  | { event: 'start' | 'lost' | 'turn' | 'resumed' }
  | { event: 'answer'; answer: Answer }
  | { event: 'card'; card: string | null };

export interface Answer {
  status: number;
  paymentRequired?: string;
  paymentResponse?: string;
  retryAfter?: number;
  body?: string;
}

export interface Facts {
  origin: string;
  method: string;
  path: string;
  replayable: boolean;
  key: string;
  pays: 'yes' | 'notThere' | 'notAgain';
}

export type { Call, Core };

let loading: Promise<unknown> | undefined;

async function load(): Promise<void> {
  loading ??= init({ module_or_path: Uint8Array.from(atob(WASM), (char) => char.charCodeAt(0)) });
  await loading;
}

/** The rules with this policy; fails in words if the policy makes no sense. */
export async function makeCore(policy: object): Promise<Core> {
  await load();
  try {
    return new Core(JSON.stringify(policy));
  } catch (error) {
    throw new TypeError(`stripe402: ${String(error)}`);
  }
}

/** Reads the value of a `payment-required` header. */
export async function explain(header: string): Promise<Terms> {
  await load();
  const said = JSON.parse(explainHeader(header)) as { terms?: Terms; error?: Failure };
  if (said.terms) return said.terms;
  throw toError(said.error as Failure);
}
