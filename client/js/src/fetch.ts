import { pay } from './pay.js';
import { Target, type Init } from './request.js';
import { isPrivate, settle, showing } from './settle.js';
import type { Balance, Hold, Options, Paid, Settlement } from './types.js';
import { Wallet } from './wallet.js';

type Fetch = typeof globalThis.fetch;

/** fetch that pays, and what it knows. */
export interface PayingFetch {
  (input: Parameters<Fetch>[0], init?: RequestInit): Promise<Response>;
  /** What is left at the origin of a URL: its gateway says, or else its last receipt did. */
  balance(url: string | URL): Promise<Balance | undefined>;
  /**
   * What a metered request cost: of its answer, once that was read to its end, or of the `hold` of its
   * receipt, which can be kept. Asks for a few seconds while it is not known; `held` after that means
   * to ask again later. `undefined` if nothing was held. Fails with `unsettled` where the origin does
   * not say: the whole hold then stays missing from the remembered balance.
   */
  settle(of: Hold | object): Promise<Settlement | undefined>;
  /** Who we are at the origin of a URL: a bearer credential. */
  clientId(url: string | URL): Promise<string | undefined>;
  /** What cards were charged, and may have been, in units. */
  spent(): Promise<number>;
  /** Everything that is kept, as one text that can be stored; it holds bearer credentials. */
  purse(): Promise<string>;
}

const receipts = new WeakMap<object, Paid>();

/** How an answer was paid for: of fetch, or of axios. */
export function receiptOf(response: object): Paid | undefined {
  return receipts.get(response);
}

export function keepReceipt(response: object, paid: Paid): void {
  receipts.set(response, paid);
}

function isHold(of: object): of is Hold {
  return 'id' in of && 'amount' in of && 'origin' in of;
}

/** fetch, wrapped: what asks for payment is paid for, within the limits of `options`. */
export function wrapFetch(fetch: Fetch, options: Options = {}): PayingFetch {
  const wallet = new Wallet(options);
  const { currency = 'usd' } = options;
  const paying = async (input: Parameters<Fetch>[0], init?: RequestInit): Promise<Response> => {
    const target = await Target.of(input, (init ?? {}) as Init);
    const { response, paid } = await pay(wallet, fetch, target);
    if (paid) {
      keepReceipt(response, paid);
      options.onReceipt?.(paid, target.url.href);
    }
    return response;
  };
  const origin = (url: string | URL): string => new URL(url, globalThis.location?.href).origin;
  return Object.assign(paying, {
    async balance(url: string | URL): Promise<Balance | undefined> {
      const known = await wallet.known(origin(url));
      // An id of the caller's is shown to origins that are named, or where it has paid.
      const named = options.origins?.some((name) => name.replace(/\/+$/, '') === origin(url)) ?? false;
      const given = options.clientId;
      const shown = given !== undefined && (named || (await wallet.boundTo(given)) === origin(url));
      const id = known?.clientId ?? (shown ? given : undefined);
      const told = id === undefined ? undefined : await ask(fetch, origin(url), id, options.allowHttp ?? false);
      if (told) return { ...told, now: true };
      const left = known?.balances?.[currency];
      return left === undefined ? undefined : { creditsRemaining: left, currency, now: false };
    },
    async settle(of: Hold | object): Promise<Settlement | undefined> {
      const hold = isHold(of) ? of : receiptOf(of)?.hold;
      return hold && settle(wallet, fetch, hold);
    },
    clientId: async (url: string | URL): Promise<string | undefined> => (await wallet.known(origin(url)))?.clientId,
    spent: (): Promise<number> => wallet.spent(),
    purse: (): Promise<string> => wallet.dump(),
  });
}

/** The same with this environment's own fetch. */
export function createStripe402Fetch(options: Options & { fetch?: Fetch } = {}): PayingFetch {
  const { fetch: given, ...rest } = options;
  return wrapFetch(given ?? ((input, init) => globalThis.fetch(input, init)), rest);
}

/** `undefined` if the gateway does not tell, for whatever reason. */
async function ask(
  fetch: Fetch,
  origin: string,
  clientId: string,
  allowHttp: boolean,
): Promise<{ creditsRemaining: number; currency: string } | undefined> {
  if (!isPrivate(origin, allowHttp)) return undefined;
  const payment = showing(clientId);
  try {
    const url = `${origin}/.well-known/stripe402/balance`;
    const answer = await fetch(url, { headers: { payment }, redirect: 'manual' });
    if (answer.status !== 200) return undefined;
    const told = (await answer.json()) as { creditsRemaining?: unknown; currency?: unknown };
    const { creditsRemaining, currency } = told;
    const right = Number.isSafeInteger(creditsRemaining) && typeof currency === 'string';
    return right ? { creditsRemaining: creditsRemaining as number, currency: currency as string } : undefined;
  } catch {
    return undefined;
  }
}
