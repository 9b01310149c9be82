// What paying costs a call: fetch against a server in this process that answers at once, with and without the wrapper.
import { wrapFetch } from 'stripe402-client';

const header = (value) => Buffer.from(JSON.stringify(value)).toString('base64');
const challenge = header({
  stripe402Version: 1, price: 1, minTopUp: 50000, resource: { url: '/' },
  accepts: [{ scheme: 'stripe', currency: 'usd', amount: 1, minTopUp: 50000, publishableKey: 'pk_test_1' }],
  extensions: ['maxPrice', 'idempotencyKey', 'paymentIntentId'],
});
const receipt = header({ success: true, creditsRemaining: 49999, clientId: 'a'.repeat(64) });
const server = async (_url, init) =>
  new Headers(init?.headers).get('payment')
    ? new Response('{}', { status: 200, headers: { 'payment-response': receipt } })
    : new Response('{}', { status: 402, headers: { 'payment-required': challenge } });
const started = performance.now();
const paying = wrapFetch(server, { paymentMethodId: 'pm_1' });
await paying('https://api.example/');
console.log(`first call, with the wasm compiled: ${(performance.now() - started).toFixed(1)} ms`);
const CALLS = 20_000;
for (let round = 1; round <= 3; round += 1) {
  for (const [name, fetch] of [['plain', server], ['paying', paying]]) {
    const start = performance.now();
    for (let call = 0; call < CALLS; call += 1) await fetch('https://api.example/', { headers: { payment: '' } });
    console.log(`round ${round}, ${name}: ${((performance.now() - start) / CALLS).toFixed(4)} ms per call`);
  }
}
