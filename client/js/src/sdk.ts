import { Stripe402Error } from './errors.js';
import { createStripe402Fetch, type PayingFetch } from './fetch.js';
import type { Options } from './types.js';

/** What can be tried again: the server took nothing, or the same charge is asked for again. */
const RETRYABLE = new Set<string>(['unavailable', 'outcome_unknown']);

/**
 * fetch that pays, for libraries that take one: the OpenAI, Anthropic and Vercel AI SDKs.
 *
 * They repeat a request that ends without an answer, and each repetition would try the card again. So a request that
 * is not paid for gets an answer: 402 with `x-should-retry: false`, or 503 if it can be tried again. Its body has
 * `error` with `code`, `reason`, `message` and what belongs to them.
 */
export function createSdkFetch(options: Options & { fetch?: typeof globalThis.fetch } = {}): PayingFetch {
  const pays = createStripe402Fetch(options);
  const answering = async (...request: Parameters<PayingFetch>): Promise<Response> => {
    try {
      return await pays(...request);
    } catch (error) {
      if (error instanceof Stripe402Error) return unpaid(error);
      throw error;
    }
  };
  return Object.assign(answering, pays);
}

function unpaid(error: Stripe402Error): Response {
  const again = RETRYABLE.has(error.code);
  const seconds = error.details['retryAfter'];
  return Response.json(
    { error: { ...error.details, type: 'stripe402' } },
    {
      status: again ? 503 : 402,
      headers: {
        'x-should-retry': String(again),
        ...(typeof seconds === 'number' ? { 'retry-after': String(seconds) } : {}),
      },
    },
  );
}
