/** What fetch was asked for, in a form that can be sent more than once. */

type Fetch = typeof globalThis.fetch;
/** Node has `duplex`, and others their own; all of it goes along. */
export type Init = RequestInit & Record<string, unknown>;

const OF_BODIES = ['content-type', 'content-length', 'content-encoding', 'transfer-encoding', 'expect'];
/** What credentials of the caller's own do not go to another origin. */
const SECRETS = ['authorization', 'cookie', 'proxy-authorization', 'host'];

export class Target {
  private constructor(
    readonly url: URL,
    readonly method: string,
    private readonly headers: Headers,
    private readonly body: BodyInit | null | undefined,
    private readonly init: Init,
    readonly redirect: RequestRedirect,
  ) {}

  static async of(input: Parameters<Fetch>[0], given: Init = {}): Promise<Target> {
    const request = typeof input === 'object' && 'url' in input ? input : undefined;
    const address = request ? request.url : String(input);
    const url = new URL(address, globalThis.location?.href);
    const headers = new Headers(given.headers ?? request?.headers);
    // Payments are made here alone.
    headers.delete('payment');
    const method = (given.method ?? request?.method ?? 'GET').toUpperCase();
    let body = given.body;
    // The body of a Request is a stream whatever it was made of: read once, it can be sent twice.
    if (body === undefined && request?.body) body = await request.clone().arrayBuffer();
    const init = request ? { ...ofRequest(request), ...given } : given;
    return new Target(url, method, headers, body, init, given.redirect ?? request?.redirect ?? 'follow');
  }

  get replayable(): boolean {
    const { body } = this;
    if (body === null || typeof body !== 'object') return true;
    // Web streams, Node's streams, generators: gone once they are sent.
    return !('getReader' in body || 'pipe' in body || (Symbol.asyncIterator in body && !(body instanceof Blob)));
  }

  /** The request as it was asked for, with this payment or none. */
  send(fetch: Fetch, payment: string | null, redirect: RequestRedirect): Promise<Response> {
    const headers = new Headers(this.headers);
    if (payment !== null) headers.set('payment', payment);
    const init: Init = { ...this.init, method: this.method, headers, redirect };
    if (this.body !== undefined && this.body !== null) {
      init.body = this.body;
      if (!this.replayable) init['duplex'] = 'half';
    } else {
      delete init.body;
    }
    return fetch(this.url.href, init);
  }

  /** The same without its body, to learn the price. */
  ask(fetch: Fetch, redirect: RequestRedirect): Promise<Response> {
    return this.withoutBody(this.method, this.url).send(fetch, null, redirect);
  }

  /** Where a redirect leads; `undefined` if the answer is none, or the body is gone. */
  follow(response: Response): Target | undefined {
    const location = response.headers.get('location');
    if (!location || ![301, 302, 303, 307, 308].includes(response.status)) return undefined;
    const url = new URL(location, this.url);
    if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new TypeError(`redirected to ${url.protocol}`);
    if (!url.hash) url.hash = this.url.hash;
    // As fetch.spec.whatwg.org says, "HTTP-redirect fetch".
    const rewritten =
      (this.method === 'POST' && (response.status === 301 || response.status === 302)) ||
      (response.status === 303 && this.method !== 'GET' && this.method !== 'HEAD');
    if (!rewritten && !this.replayable) return undefined;
    const next = rewritten
      ? this.withoutBody('GET', url)
      : new Target(url, this.method, new Headers(this.headers), this.body, this.init, this.redirect);
    if (url.origin !== this.url.origin) for (const secret of SECRETS) next.headers.delete(secret);
    return next;
  }

  private withoutBody(method: string, url: URL): Target {
    const headers = new Headers(this.headers);
    for (const name of OF_BODIES) headers.delete(name);
    return new Target(url, method, headers, undefined, this.init, this.redirect);
  }
}

/** The fields of a Request that fetch takes as options. */
function ofRequest(request: Request): Init {
  const init: Init = { signal: request.signal };
  const names = ['cache', 'credentials', 'integrity', 'keepalive', 'mode', 'referrer', 'referrerPolicy'] as const;
  // A page cannot send its own navigation again.
  for (const name of names) {
    const value: unknown = request[name];
    if (value !== undefined && value !== 'navigate') Object.assign(init, { [name]: value });
  }
  return init;
}
