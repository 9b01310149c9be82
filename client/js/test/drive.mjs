// Carries out calls for the end-to-end tests: a line {payer, settings, calls} in, a line of answers out.
// Each payer has an empty purse at first. The argument is fetch or axios.
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';

import axios from 'axios';
import { createStripe402Axios, receiptOf, Stripe402Error, wrapFetch } from 'stripe402-client';

const adapter = process.argv[2];

const streamed = (text) => Readable.toWeb(Readable.from(text.match(/.{1,7}/gs).map((part) => Buffer.from(part))));

/** The receipt, and what became of its hold. */
const paid = async (fetch, response) => {
  const receipt = receiptOf(response);
  if (!receipt?.hold) return { paid: receipt ?? null };
  try {
    return { paid: { ...receipt, settlement: await fetch.settle(response) } };
  } catch (error) {
    return { paid: { ...receipt, settlementError: error.details } };
  }
};

const makers = {
  fetch(settings) {
    const fetch = wrapFetch(globalThis.fetch, settings);
    return async ({ url, method = 'GET', headers = {}, body, stream }, number) => {
      const init = { method, body: stream ? streamed(body) : body, ...(stream ? { duplex: 'half' } : {}) };
      // In each of the three forms that headers can be given in.
      const forms = [() => headers, () => new Headers(headers), () => Object.entries(headers)];
      init.headers = forms[number % 3]();
      const response = await (number % 2 && !stream ? fetch(new Request(url, init)) : fetch(url, init));
      return { status: response.status, body: await response.text(), ...(await paid(fetch, response)) };
    };
  },
  axios(settings) {
    const instance = createStripe402Axios(axios.create({ validateStatus: () => true, responseType: 'text' }), settings);
    return async ({ url, method = 'GET', headers = {}, body, stream }) => {
      const data = stream ? streamed(body) : body;
      const response = await instance.request({ url, method, headers, data });
      return { status: response.status, body: response.data, ...(await paid(instance.stripe402, response)) };
    };
  },
};

const payers = new Map();
let number = 0;
const answer = (carryOut) => async (call) => {
  try {
    return await carryOut(call, (number += 1));
  } catch (error) {
    if (!(error instanceof Stripe402Error)) return { failed: String(error?.stack ?? error), cause: String(error?.cause) };
    return { error: { ...error.details, type: error.name } };
  }
};
for await (const line of createInterface({ input: process.stdin })) {
  const { payer, settings, calls } = JSON.parse(line);
  if (!payers.has(payer)) payers.set(payer, makers[adapter](settings));
  const answers = await Promise.all(calls.map(answer(payers.get(payer))));
  process.stdout.write(JSON.stringify(answers) + '\n');
}
