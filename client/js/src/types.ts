/** An amount: units (10,000 are one dollar), or money with its currency, such as `0.05usd`. */
export type Amount = number | string;

/** What something costs that is counted. */
export interface UnitPrice {
  /** What is counted: a name of the seller's, such as `prompt`, or `bytes` or `seconds`. */
  of: string;
  /** For which choice (a model's name), where the price depends on one. */
  when?: string;
  /** So many units of money. */
  units: number;
  /** For so many of what is counted. */
  per: number;
}

/** A price that is known only after the request was served. Amounts are in units. */
export interface Pricing {
  kind: 'upto';
  /** The most that one request can cost; held before it is served. */
  most: number;
  /** The least that a request costs which reached the API. */
  least: number;
  /** What is paid for, in words. */
  description: string;
  /** What a longer answer costs at a time beyond `most`, up to the `maxPrice` that was sent. */
  extendBy?: number;
  /** Absent where the API says itself what a request costs. */
  unitPrices?: UnitPrice[];
}

/** What a resource costs. Amounts are in units. */
export interface Terms {
  /** Where there is a `pricing`, the most that it can cost. */
  price: number;
  minTopUp: number;
  currency: string;
  publishableKey: string;
  description?: string;
  /** How the price is known, where it is known only after the request was served. */
  pricing?: Pricing;
  knowsMaxPrice: boolean;
  knowsIdempotencyKey: boolean;
}

/** What is held for a request whose price is known only after its answer. */
export interface Hold {
  /** Its id. The API gets the same one. */
  id: string;
  /** The most that the request can cost. */
  amount: number;
  currency: string;
  /** Who holds it, such as `https://api.example`. */
  origin: string;
}

/** How far a request's payment is: `released` means that nothing was taken. */
export type SettlementState = 'held' | 'captured' | 'released';

/** What became of a hold. Amounts are in units. */
export interface Settlement {
  id: string;
  state: SettlementState;
  held?: number;
  /** What the request cost; absent while that is not known. */
  captured?: number;
  currency: string;
  /** What can be spent now. */
  creditsRemaining: number;
}

/** How an answer was paid for. Amounts are in units. */
export interface Paid {
  /** What is left, without what is held. */
  creditsRemaining: number;
  /** The id that pays from now on; a bearer credential. */
  clientId: string;
  /** The PaymentIntent, where a card was charged. */
  chargeId?: string;
  /** What the card was charged. */
  charged?: number;
  /** What is held, where the price is known only after the answer: see `settle`. */
  hold?: Hold;
}

/** What is left at an origin. */
export interface Balance {
  creditsRemaining: number;
  currency: string;
  /** Whether the gateway said so now; else its last receipt did. */
  now: boolean;
}

/** Where credentials are kept between calls: one text, which holds bearer credentials. */
export interface PurseStorage {
  load(): string | null | undefined | Promise<string | null | undefined>;
  save(purse: string): void | Promise<void>;
  /**
   * Runs something while nobody else that shares the place runs something of the same name.
   * Calls of one wallet are kept apart anyway.
   */
  lock?<T>(name: string, run: () => Promise<T>): Promise<T>;
}

/** How much may be paid, with what, and where. */
export interface Options {
  /** The card to pay with, `pm_…`. */
  paymentMethodId?: string;
  /** A client id that is known already. */
  clientId?: string;
  /** The only currency that is paid in; `usd` unless given. */
  currency?: string;
  /** The most that one request may cost; $1.00 unless given. */
  maxPrice?: Amount;
  /** The most that a card may be charged at once; $10.00 unless given. */
  maxCharge?: Amount;
  /** What to charge a card, if the server's least is not wanted. */
  topUp?: Amount;
  /** The most that cards may be charged in 24 hours. */
  budgetPerDay?: Amount;
  /** The most that cards may be charged in total, as long as the purse is kept. */
  budgetTotal?: Amount;
  /**
   * Origins that may be paid, such as `https://api.example`; any if absent, but a card or client
   * id that was used at one is not offered at another unless both are named here.
   */
  origins?: string[];
  /** Whether credentials may be sent unencrypted to other machines. */
  allowHttp?: boolean;
  /** How often a request is sent again when the server says that it was not served; 3 unless given. */
  retries?: number;
  /** Where credentials and budgets are kept; `memory` unless given. */
  storage?: 'memory' | 'localStorage' | PurseStorage;
  /** Asked for a card (`pm_…`) where none is known; one call at a time per origin. */
  onPaymentRequired?: (
    terms: Terms,
  ) => string | { paymentMethodId: string } | null | undefined | Promise<string | { paymentMethodId: string } | null | undefined>;
  /** Told of every receipt. */
  onReceipt?: (paid: Paid, url: string) => void;
}
