// Pays with the unmodified mppx: node pay.mjs URL TOKENS PAYMENT_METHOD TIMES [AT_ONCE]. One line of JSON a call.
import { Receipt } from 'mppx'
import { Mppx, stripe } from 'mppx/client'

import { makeTokens } from './tokens.mjs'

const [url, tokens, paymentMethod, times, atOnce = '1'] = process.argv.slice(2)
const { createToken, made: countMade } = makeTokens(tokens)

const methods = [stripe({ paymentMethod, createToken })]
const mppx = Mppx.create({ polyfill: false, methods })
async function call() {
  const answer = await mppx.fetch(url)
  const receipt = answer.ok ? Receipt.fromResponse(answer) : null
  console.log(JSON.stringify({ status: answer.status, made: countMade(), receipt, body: await answer.json() }))
}
for (let n = 0; n < Number(times); n += 1) {
  await Promise.all(Array.from({ length: Number(atOnce) }, call))
}
