// Makes Shared Payment Tokens at the stand-in, as an agent's wallet would.
export function makeTokens(tokens) {
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
  return { createToken, made: () => made }
}
