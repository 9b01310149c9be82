// Pays with the unmodified mppx: node pay.mjs URL TOKENS PAYMENT_METHOD TIMES [AT_ONCE]. One line of JSON a call.
import { Receipt } from 'mppx'
import { Mppx, stripe } from 'mppx/client'

const [url, tokens, paymentMethod, times, atOnce = '1'] = process.argv.slice(2)
let made = 0

async function createToken({ amount, currency, expiresAt, networkId, paymentMethod }) {
  made += 1
  const answer = await fetch(tokens, {
    method: 'POST',
    headers: { authorization: 'Bearer sk_test_node', 'stripe-version': '2026-04-22.preview' },
    body: new URLSearchParams({
      payment_method: paymentMethod,
      'usage_limits[currency]': currency,
      'usage_limits[max_amount]': amount,
      'usage_limits[expires_at]': String(expiresAt),
      'seller_details[network_id]': networkId,
    }),
  })
  const token = await answer.json()
  if (!token.id) throw new Error(token.error.message)
  return token.id
}

const methods = [stripe({ paymentMethod, createToken })]
const mppx = Mppx.create({ polyfill: false, methods })
async function call() {
  const answer = await mppx.fetch(url)
  const receipt = answer.ok ? Receipt.fromResponse(answer) : null
  console.log(JSON.stringify({ status: answer.status, made, receipt, body: await answer.json() }))
}
for (let n = 0; n < Number(times); n += 1) {
  await Promise.all(Array.from({ length: Number(atOnce) }, call))
}
