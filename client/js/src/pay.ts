/** Carries out what the rules say, for one request and where it is redirected to. */
import type { Answer, Event, Facts, Step } from './core.js';
import { toError } from './errors.js';
import { Target } from './request.js';
import type { Paid } from './types.js';
import type { Wallet } from './wallet.js';

type Fetch = typeof globalThis.fetch;

const MOST_REDIRECTS = 10;
/** A challenge or refusal is far shorter. */
const MOST_BODY = 65_536;

export interface Answered {
  response: Response;
  paid: Paid | undefined;
}

export async function pay(wallet: Wallet, fetch: Fetch, target: Target): Promise<Answered> {
  const { origin } = target.url;
  let pays: Facts['pays'] = 'yes';
  let paid: Paid | undefined;
  for (let redirects = 0; ; redirects += 1) {
    const answered = await new Hop(wallet, fetch, target, pays).run();
    paid ??= answered.paid;
    if (target.redirect === 'manual') return { response: answered.response, paid };
    const to = target.follow(answered.response);
    if (!to) return { response: answered.response, paid };
    if (target.redirect === 'error' || redirects === MOST_REDIRECTS) {
      throw new TypeError(`redirected to ${to.url.origin}${to.url.pathname}`);
    }
    await answered.response.body?.cancel();
    if (paid) pays = 'notAgain';
    // Once somebody else chooses the address, nothing is paid for any more.
    else if (to.url.origin !== origin) pays = 'notThere';
    target = to;
  }
}

class Hop {
  private last: Response | undefined;
  private lost: unknown;
  private asked = false;

  constructor(
    private readonly wallet: Wallet,
    private readonly fetch: Fetch,
    private readonly target: Target,
    private readonly pays: Facts['pays'],
  ) {}

  async run(): Promise<Answered> {
    const { url, method, replayable } = this.target;
    const facts = { origin: url.origin, method, path: url.pathname, replayable, key: key(), pays: this.pays };
    const call = await this.wallet.begin(facts);
    const tell = (event: Event): Promise<Step> => this.wallet.step(call, event);
    try {
      let step = await tell({ event: 'start' });
      for (;;) {
        if (step.step === 'takeTurn') {
          step = await this.wallet.turn(url.origin, async () => {
            let next = await tell({ event: 'turn' });
            while (next.keepsTurn) next = await tell(await this.carryOut(next));
            return next;
          });
        }
        if (step.step === 'done') return { response: this.answer(), paid: step.paid ?? undefined };
        if (step.step === 'fail') throw this.failure(step.error);
        if (step.step !== 'takeTurn') step = await tell(await this.carryOut(step));
      }
    } finally {
      call.free();
    }
  }

  private async carryOut(step: Step): Promise<Event> {
    switch (step.step) {
      case 'send':
        return this.sent(step.payment);
      case 'ask':
        this.asked = true;
        return this.heard(() => this.target.ask(this.fetch, 'manual'));
      case 'askForCard': {
        const card = await this.wallet.options.onPaymentRequired?.(step.terms);
        return { event: 'card', card: (typeof card === 'string' ? card : card?.paymentMethodId) ?? null };
      }
      case 'pause':
        await new Promise((resolve) => setTimeout(resolve, step.seconds * 1000));
        return { event: 'resumed' };
      default:
        throw new Error('a payment is out of order');
    }
  }

  /** Redirects are never followed by fetch itself: it would take the payment along. */
  private async sent(payment: string | null): Promise<Event> {
    const event = await this.heard(() => this.target.send(this.fetch, payment, 'manual'));
    if (this.last?.type !== 'opaqueredirect' || this.target.redirect === 'manual') return event;
    // A browser does not say where to. Unpaid, it may go there by itself.
    if (payment !== null || !this.target.replayable || this.asked) throw this.unseen();
    const followed = await this.heard(() => this.target.send(this.fetch, null, this.target.redirect));
    if (this.last?.status === 402) throw this.unseen();
    return followed;
  }

  private unseen(): Error {
    const message = 'the server redirects, and a browser does not say where to; ask for the final address';
    return toError({ code: 'redirect_unseen', message });
  }

  private async heard(send: () => Promise<Response>): Promise<Event> {
    try {
      this.last = await send();
      return { event: 'answer', answer: await look(this.last) };
    } catch (error) {
      this.lost = error;
      return { event: 'lost' };
    }
  }

  private answer(): Response {
    if (!this.last) throw new Error('a payment is out of order');
    return this.last;
  }

  /** The network's own words where nothing but the network failed. */
  private failure(error: Parameters<typeof toError>[0]): unknown {
    return error.code === 'transport' ? this.lost : toError(error, this.lost);
  }
}

/** What the rules have to know of an answer; its body too where it may be about payment. */
async function look(response: Response): Promise<Answer> {
  const answer: Answer = { status: response.status };
  const header = (name: string): string | undefined => response.headers.get(name) ?? undefined;
  const [required, receipt] = [header('payment-required'), header('payment-response')];
  if (required !== undefined) answer.paymentRequired = required;
  if (receipt !== undefined) answer.paymentResponse = receipt;
  const retry = header('retry-after');
  if (retry !== undefined && /^\d{1,6}$/.test(retry)) answer.retryAfter = Number(retry);
  const short = Number(header('content-length') ?? Infinity) <= MOST_BODY;
  if (response.status === 402 || (response.status === 503 && short)) {
    // A 503 may be the API's own, and is the caller's to read.
    const body = await beginning(response.status === 402 ? response : response.clone());
    if (body !== undefined) answer.body = body;
  }
  return answer;
}

async function beginning(response: Response): Promise<string | undefined> {
  const reader = response.body?.getReader();
  const decoder = new TextDecoder();
  let text = '';
  for (let length = 0; reader; ) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.byteLength;
    if (length > MOST_BODY) {
      await reader.cancel();
      return undefined;
    }
    text += decoder.decode(value, { stream: true });
  }
  return text + decoder.decode();
}

/** The name of a top-up: nobody has to be unable to guess it, only to use it again. */
function key(): string {
  const bytes = new Uint8Array(16);
  if (globalThis.crypto?.getRandomValues) globalThis.crypto.getRandomValues(bytes);
  else bytes.forEach((_, at) => (bytes[at] = Math.floor(Math.random() * 256)));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
