import { Stripe402Error } from './errors.js';
import { createStripe402Fetch, keepReceipt, receiptOf, type PayingFetch } from './fetch.js';
import type { Options } from './types.js';

/** What can be tried again: the server took nothing, or the same charge is asked for again. */
const RETRYABLE = new Set<string>(['unavailable', 'outcome_unknown']);

/**
 * fetch that pays, for libraries that take one: the OpenAI, Anthropic and Vercel AI SDKs.
 *
 * They repeat a request that ends without an answer, and each repetition would try the card again. So a request that
 * is not paid for gets an answer: 402 with `x-should-retry: false`, or 503 if it can be tried again. Its body has
 * `error` with `code`, `reason`, `message` and what belongs to them, without what a charge is confirmed with: such bodies
 * are logged. An answer that was paid for is not asked for again either, whatever its status.
 */
export function createSdkFetch(options: Options & { fetch?: typeof globalThis.fetch } = {}): PayingFetch {
  const pays = createStripe402Fetch(options);
  const answering = async (...request: Parameters<PayingFetch>): Promise<Response> => {
    try {
      return final(await pays(...request));
    } catch (error) {
      if (error instanceof Stripe402Error) return unpaid(error);
      throw error;
    }
  };
  return Object.assign(answering, pays);
}

/** These libraries repeat a request that was answered 429 or 500. */
function final(response: Response): Response {
  const paid = receiptOf(response);
  if (!paid || response.ok) return response;
  const headers = new Headers(response.headers);
  headers.set('x-should-retry', 'false');
  const { status, statusText } = response;
  const answer = new Response(response.body, { status, statusText, headers });
  keepReceipt(answer, paid);
  return answer;
}

function unpaid(error: Stripe402Error): Response {
  const again = RETRYABLE.has(error.code);
  const seconds = error.details['retryAfter'];
  return Response.json(
    { error: { ...error.details, clientSecret: undefined, type: 'stripe402' } },
    {
      status: again ? 503 : 402,
      headers: {
        'x-should-retry': String(again),
        ...(typeof seconds === 'number' ? { 'retry-after': String(seconds) } : {}),
      },
    },
  );
}
