// An agent that asks for the weather as long as its budget lasts, and knows why it stops.
// node agent.mjs URL pm_… REQUESTS BUDGET
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { createStripe402Fetch, receiptOf, AuthenticationRequiredError, LimitError } from 'stripe402-client';
import { fileStorage } from 'stripe402-client/node';

const [url, card, requests, budgetTotal] = process.argv.slice(2);
const fetch = createStripe402Fetch({
  paymentMethodId: card,
  maxPrice: '0.05usd',
  maxCharge: '5usd',
  budgetTotal,
  // What is known of the server, and what was spent, outlives the agent.
  storage: fileStorage(process.env.STRIPE402_PURSE ?? join(mkdtempSync(join(tmpdir(), 'agent-')), 'purse.json')),
});

let number = 1;
try {
  for (; number <= Number(requests); number += 1) {
    const answer = await fetch(url);
    console.log(`${number}: ${await answer.text()} (${receiptOf(answer)?.creditsRemaining} units left)`);
  }
  console.log(`${requests} answers`);
} catch (error) {
  if (error instanceof LimitError && error.code === 'budget_exceeded') console.log(`${number}: the budget is spent`);
  else if (error instanceof AuthenticationRequiredError) console.log(`${number}: confirm ${error.paymentIntentId}`);
  else throw error;
}
