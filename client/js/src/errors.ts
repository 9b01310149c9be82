/** The protocol's six codes. */
export type Code =
  | 'payment_required'
  | 'insufficient_credits'
  | 'card_declined'
  | 'payment_failed'
  | 'invalid_payment'
  | 'top_up_below_minimum';

/** The protocol's finer causes. */
export type Reason =
  | 'authentication_required'
  | 'rate_limited'
  | 'top_up_above_maximum'
  | 'frozen'
  | 'payment_method_not_yours'
  | 'idempotency_mismatch'
  | 'debt'
  | 'key_budget'
  | 'key_expired'
  | 'key_revoked'
  | 'id_rotated'
  | 'key_route';

/** This client's own reasons not to pay, or not to be able to. */
export type LocalCode =
  | 'price_too_high'
  | 'charge_too_high'
  | 'budget_exceeded'
  | 'currency_not_allowed'
  | 'origin_not_allowed'
  | 'not_encrypted'
  | 'challenge_missing'
  | 'challenge_malformed'
  | 'unsupported_version'
  | 'unsupported_scheme'
  | 'payment_loop'
  | 'paid_and_redirected'
  | 'redirect_unseen'
  | 'body_consumed'
  | 'outcome_unknown'
  | 'unavailable'
  | 'unsettled'
  | 'out_of_order'
  | 'transport';

/** What the rules say of a failure. */
export interface Failure {
  code: Code | LocalCode;
  message: string;
  reason?: Reason;
  [field: string]: unknown;
}

/** A request that was not paid for. `details` has what belongs to the code: amounts, terms, ids. */
export class Stripe402Error extends Error {
  readonly code: Code | LocalCode;
  readonly reason: Reason | undefined;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(failure: Failure, options?: { cause?: unknown }) {
    super(failure.message);
    this.name = new.target.name;
    this.code = failure.code;
    this.reason = failure.reason;
    this.details = failure;
    if (options?.cause !== undefined) Object.defineProperty(this, 'cause', { value: options.cause, enumerable: false });
  }
}

/** There is nothing to pay with. */
export class PaymentRequiredError extends Stripe402Error {}
/** The balance does not suffice, and there is no card. */
export class InsufficientCreditsError extends Stripe402Error {}
/** The bank refused. */
export class CardDeclinedError extends Stripe402Error {}
/** Anything else went wrong at Stripe; see `reason`. */
export class PaymentFailedError extends Stripe402Error {}
/** The payment was not understood, or contradicts an earlier one; see `reason`. */
export class InvalidPaymentError extends Stripe402Error {}
/** The top-up was too small. */
export class TopUpBelowMinimumError extends Stripe402Error {}
/** A limit or a budget of the caller's would be passed. */
export class LimitError extends Stripe402Error {}

/** 3D Secure: confirm with Stripe.js (`clientSecret`, `publishableKey`), then make the call again. */
export class AuthenticationRequiredError extends PaymentFailedError {
  get clientSecret(): string | undefined {
    return text(this.details['clientSecret']);
  }
  get paymentIntentId(): string | undefined {
    return text(this.details['paymentIntentId']);
  }
  get publishableKey(): string | undefined {
    return text(this.details['publishableKey']);
  }
}

/** Too many attempts, or the server cannot take payments now. */
export class TryLaterError extends PaymentFailedError {
  /** Seconds. */
  get retryAfter(): number | undefined {
    const seconds = this.details['retryAfter'];
    return typeof seconds === 'number' ? seconds : undefined;
  }
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

const CLASSES: Partial<Record<Code | LocalCode, typeof Stripe402Error>> = {
  payment_required: PaymentRequiredError,
  insufficient_credits: InsufficientCreditsError,
  card_declined: CardDeclinedError,
  payment_failed: PaymentFailedError,
  invalid_payment: InvalidPaymentError,
  top_up_below_minimum: TopUpBelowMinimumError,
  price_too_high: LimitError,
  charge_too_high: LimitError,
  budget_exceeded: LimitError,
  unavailable: TryLaterError,
};

export function toError(failure: Failure, cause?: unknown): Stripe402Error {
  let type = CLASSES[failure.code] ?? Stripe402Error;
  if (failure.reason === 'authentication_required') type = AuthenticationRequiredError;
  if (failure.reason === 'rate_limited') type = TryLaterError;
  return new type(failure, { cause });
}
