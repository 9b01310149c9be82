// Drives the stand-in with Stripe's own library: `node drive.mjs PORT`. Prints what it checked.
// STRIPE_SIM_DELIVERIES names a file with one webhook delivery: {signature, payload, secret}.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import Stripe from 'stripe';

const port = Number(process.argv[2]);
const options = { host: '127.0.0.1', port, protocol: 'http', maxNetworkRetries: 0, telemetry: false };
const stripe = new Stripe('sk_test_node', options);
const card = { allowed_payment_method_types: ['card'] };
const pay = { amount: 500, currency: 'usd', confirm: true, payment_method: 'pm_card_visa', ...card };

/** A test control. */
async function play(path, body) {
  const response = await fetch(`http://127.0.0.1:${port}/_sim/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  assert.equal(response.status, 200, `${path}: ${await response.clone().text()}`);
  return response.json();
}

/** The error of a call that is to fail with this class and status. */
async function refused(kind, status, call) {
  const error = await call.then(
    () => assert.fail(`no ${kind}`),
    (error) => error,
  );
  assert.equal(error.type, kind, error.stack);
  assert.equal(error.statusCode, status);
  assert.ok(error.requestId?.startsWith('req_'));
  return error;
}

const checks = {
  async 'customers: create, update, retrieve, list, delete'() {
    const customer = await stripe.customers.create({ email: 'a@example.com', metadata: { a: '1' } });
    const updated = await stripe.customers.update(customer.id, { metadata: { a: '', b: '2' } });
    assert.deepEqual(updated.metadata, { b: '2' });
    assert.equal((await stripe.customers.retrieve(customer.id)).email, 'a@example.com');
    assert.equal((await stripe.customers.list({ email: 'a@example.com' })).data.length, 1);
    assert.equal((await stripe.customers.del(customer.id)).deleted, true);
  },

  async 'payment methods: create, attach, list, detach'() {
    const customer = await stripe.customers.create();
    const made = await stripe.paymentMethods.create({
      type: 'card',
      card: { number: '4242424242424242', exp_month: 12, exp_year: 2040, cvc: '123' },
      billing_details: { name: 'A', address: { city: 'Oslo' } },
    });
    assert.equal(made.card.fingerprint.length, 16);
    await stripe.paymentMethods.attach(made.id, { customer: customer.id });
    assert.equal((await stripe.customers.listPaymentMethods(customer.id)).data[0].id, made.id);
    assert.equal((await stripe.paymentMethods.list({ customer: customer.id, type: 'card' })).data.length, 1);
    assert.equal((await stripe.paymentMethods.detach(made.id)).customer, null);
    const token = await stripe.paymentMethods.create({ type: 'card', card: { token: 'tok_visa' } });
    assert.equal(token.card.fingerprint, made.card.fingerprint);
    assert.equal((await stripe.paymentMethods.retrieve(token.id)).id, token.id);
  },

  async 'payment intents: create, update, confirm, cancel, capture, expand'() {
    const paid = await stripe.paymentIntents.create({ ...pay, expand: ['latest_charge', 'payment_method'] });
    assert.equal(paid.status, 'succeeded');
    assert.equal(paid.latest_charge.payment_method_details.card.fingerprint, paid.payment_method.card.fingerprint);
    assert.equal((await stripe.charges.retrieve(paid.latest_charge.id)).paid, true);
    assert.equal((await stripe.charges.list({ payment_intent: paid.id })).data.length, 1);
    const open = await stripe.paymentIntents.create({ amount: 500, currency: 'eur', ...card });
    await stripe.paymentIntents.update(open.id, { metadata: { a: 'b' } });
    const held = await stripe.paymentIntents.create({ ...pay, capture_method: 'manual' });
    assert.equal((await stripe.paymentIntents.capture(held.id, { amount_to_capture: 300 })).amount_received, 300);
    assert.equal((await stripe.paymentIntents.cancel(open.id)).status, 'canceled');
    assert.equal((await stripe.paymentIntents.retrieve(open.id)).metadata.a, 'b');
  },

  async '3D Secure, both ways'() {
    for (const [outcome, status] of [['succeed', 'succeeded'], ['fail', 'requires_payment_method']]) {
      const intent = await stripe.paymentIntents.create({ ...pay, payment_method: 'pm_card_authenticationRequired' });
      assert.equal(intent.next_action.type, 'use_stripe_sdk');
      await play('authenticate', { payment_intent: intent.id, outcome });
      assert.equal((await stripe.paymentIntents.retrieve(intent.id)).status, status);
    }
  },

  async 'a browser with a publishable key'() {
    const page = new Stripe('pk_test_page', options);
    const intent = await stripe.paymentIntents.create({ amount: 500, currency: 'usd', ...card });
    const method = await page.paymentMethods.create({ type: 'card', card: { token: 'tok_visa' } });
    assert.equal(method.card.fingerprint, undefined);
    const confirmed = await page.paymentIntents.confirm(intent.id, {
      client_secret: intent.client_secret,
      payment_method: method.id,
    });
    assert.equal(confirmed.status, 'succeeded');
    const seen = await page.paymentIntents.retrieve(intent.id, { client_secret: intent.client_secret });
    assert.equal(seen.status, 'succeeded');
  },

  async 'setup intents: create, confirm, retrieve, list, cancel'() {
    const customer = await stripe.customers.create();
    const done = await stripe.setupIntents.create({
      confirm: true,
      customer: customer.id,
      payment_method: 'pm_card_visa',
      automatic_payment_methods: { enabled: true, allow_redirects: 'never' },
    });
    assert.equal(done.status, 'succeeded');
    const open = await stripe.setupIntents.create(card);
    const waiting = await stripe.setupIntents.confirm(open.id, { payment_method: 'pm_card_authenticationRequired' });
    assert.equal(waiting.status, 'requires_action');
    assert.equal((await stripe.setupIntents.cancel(open.id)).status, 'canceled');
    assert.equal((await stripe.setupIntents.retrieve(done.id)).customer, customer.id);
    assert.equal((await stripe.setupIntents.list({ customer: customer.id })).data.length, 1);
  },

  async 'refunds and disputes'() {
    const intent = await stripe.paymentIntents.create(pay);
    const refund = await stripe.refunds.create({ payment_intent: intent.id, amount: 200 });
    assert.equal((await stripe.refunds.retrieve(refund.id)).status, 'succeeded');
    assert.equal((await stripe.refunds.list({ payment_intent: intent.id })).data.length, 1);
    const over = stripe.refunds.create({ payment_intent: intent.id, amount: 301 });
    assert.equal((await refused('StripeInvalidRequestError', 400, over)).param, 'amount');
    await stripe.refunds.create({ payment_intent: intent.id });
    const again = stripe.refunds.create({ payment_intent: intent.id });
    assert.equal((await refused('StripeInvalidRequestError', 400, again)).code, 'charge_already_refunded');
    const disputed = await stripe.paymentIntents.create({ ...pay, payment_method: 'pm_card_createDispute' });
    const disputes = await stripe.disputes.list({ payment_intent: disputed.id });
    assert.equal((await stripe.disputes.retrieve(disputes.data[0].id)).status, 'needs_response');
  },

  async 'pages, by themselves'() {
    const customer = await stripe.customers.create();
    const made = [];
    for (let at = 0; at < 7; at += 1) {
      const form = { amount: 500 + at, currency: 'usd', customer: customer.id, ...card };
      made.unshift((await stripe.paymentIntents.create(form)).id);
    }
    const seen = [];
    for await (const intent of stripe.paymentIntents.list({ customer: customer.id, limit: 3 })) seen.push(intent.id);
    assert.deepEqual(seen, made);
    await play('clock/advance', { seconds: 5 });
    const query = `customer:'${customer.id}' AND amount>501`;
    const found = await stripe.paymentIntents.search({ query, limit: 2 }).autoPagingToArray({ limit: 100 });
    assert.deepEqual(found.map((intent) => intent.id), made.slice(0, 5));
  },

  async 'idempotency keys'() {
    const first = await stripe.paymentIntents.create(pay, { idempotencyKey: 'node-1' });
    const again = await stripe.paymentIntents.create(pay, { idempotencyKey: 'node-1' });
    assert.equal(again.id, first.id);
    assert.equal(again.lastResponse.headers['idempotent-replayed'], 'true');
    const other = stripe.paymentIntents.create({ ...pay, amount: 600 }, { idempotencyKey: 'node-1' });
    await refused('StripeIdempotencyError', 400, other);
  },

  async 'an error of each class'() {
    const decline = { ...pay, payment_method: 'pm_card_chargeDeclinedInsufficientFunds' };
    const error = await refused('StripeCardError', 402, stripe.paymentIntents.create(decline));
    assert.deepEqual([error.code, error.decline_code], ['card_declined', 'insufficient_funds']);
    assert.equal(error.payment_intent.status, 'requires_payment_method');
    const old = stripe.paymentIntents.create({ amount: 500, currency: 'usd', payment_method_types: ['card'] });
    assert.equal((await refused('StripeInvalidRequestError', 400, old)).code, 'payment_method_types_no_longer_supported');
    await refused('StripeInvalidRequestError', 404, stripe.paymentIntents.retrieve('pi_none'));
    const stranger = new Stripe('sk_live_no', options);
    await refused('StripeAuthenticationError', 401, stranger.customers.list());
    await play('faults', { action: 'status', status: 429 });
    await refused('StripeRateLimitError', 429, stripe.customers.list());
    await play('faults', { action: 'status', status: 500 });
    await refused('StripeAPIError', 500, stripe.customers.list());
    // The library repeats a call once by itself when its connection was closed.
    await play('faults', { action: 'drop_before', times: 2 });
    const dropped = await stripe.customers.list().catch((error) => error);
    assert.equal(dropped.type, 'StripeConnectionError');
    await play('faults', { action: 'drop_after', method: 'POST' });
    const retrying = new Stripe('sk_test_node', { ...options, maxNetworkRetries: 2 });
    const repeated = await retrying.paymentIntents.create(pay);
    assert.equal(repeated.lastResponse.headers['idempotent-replayed'], 'true');
  },

  async 'events, and one that was delivered'() {
    const events = await stripe.events.list({ type: 'payment_intent.succeeded', limit: 1 });
    assert.equal((await stripe.events.retrieve(events.data[0].id)).type, 'payment_intent.succeeded');
    const { signature, payload, secret } = JSON.parse(readFileSync(process.env.STRIPE_SIM_DELIVERIES, 'utf8'));
    const event = stripe.webhooks.constructEvent(payload, signature, secret);
    assert.equal(event.object, 'event');
    assert.throws(() => stripe.webhooks.constructEvent(`${payload} `, signature, secret));
  },
};

for (const [name, check] of Object.entries(checks)) {
  await check();
  console.log(`ok ${name}`);
}
console.log('all checked');
