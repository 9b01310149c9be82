import { Stripe402Error } from './errors.js';
import { keepReceipt, receiptOf, wrapFetch, type PayingFetch } from './fetch.js';
import type { Options, Paid } from './types.js';

/** As much of axios as is needed, so that its types are not. */
export interface AxiosLike {
  defaults: object;
  interceptors: {
    request: { use(done: (config: any) => any): unknown };
    response: { use(done: (response: any) => any, failed: (error: any) => any): unknown };
  };
}

/** In the options of one request: told how it was paid for. A function, since axios copies objects. */
type Tell = (paid: Paid) => void;

interface Config {
  fetchOptions?: { stripe402?: Tell };
}

/**
 * An axios instance (1.12 or later) that pays. It is changed in place and returned: from now on
 * it uses axios's own fetch adapter, with a fetch that pays.
 */
export function createStripe402Axios<A extends AxiosLike>(
  instance: A,
  options: Options & { fetch?: typeof globalThis.fetch } = {},
): A & { stripe402: PayingFetch } {
  const { fetch: given, ...rest } = options;
  const paying = wrapFetch(given ?? ((input, init) => globalThis.fetch(input, init)), rest);
  const fetch = async (input: string | URL | Request, init?: RequestInit & { stripe402?: Tell }): Promise<Response> => {
    const { stripe402: tell, ...plain } = init ?? {};
    const response = await paying(input, plain);
    const paid = receiptOf(response);
    if (paid) tell?.(paid);
    return response;
  };
  // Without Request, axios hands the body over as it is, and streams stay streams.
  const { env } = instance.defaults as { env?: object };
  Object.assign(instance.defaults, { adapter: 'fetch', env: { ...env, fetch, Request: null, Response: null } });
  const told = new WeakMap<Tell, Paid>();
  instance.interceptors.request.use((config: Config) => {
    const tell: Tell = (paid) => void told.set(tell, paid);
    config.fetchOptions = { ...config.fetchOptions, stripe402: tell };
    return config;
  });
  instance.interceptors.response.use(
    (response: { config: Config }) => {
      const tell = response.config.fetchOptions?.stripe402;
      const paid = tell && told.get(tell);
      if (paid) keepReceipt(response, paid);
      return response;
    },
    (error: { cause?: unknown }) => {
      throw error.cause instanceof Stripe402Error ? error.cause : error;
    },
  );
  return Object.assign(instance, { stripe402: paying });
}
