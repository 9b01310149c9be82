// What the published clients of x402 say of the answer at a URL: one line of JSON, from client to text.
import { wrapAxiosWithPayment, x402Client as ClientOfAxios } from '@x402/axios';
import { wrapFetchWithPayment, x402Client } from '@x402/fetch';
import axios from 'axios';
import { privateKeyToAccount } from 'viem/accounts';
import { wrapFetchWithPayment as wrapFetchWithVersion1 } from 'x402-fetch';

const url = process.argv[2];
// A wallet on a blockchain, as far as a challenge of ours lets it get.
const wallet = (Client) =>
  new Client().register('eip155:84532', {
    scheme: 'exact',
    createPaymentPayload: () => {
      throw new Error('it pays');
    },
  });
const account = privateKeyToAccount(`0x${'11'.repeat(32)}`);
const clients = {
  '@x402/fetch': () => wrapFetchWithPayment(fetch, wallet(x402Client))(url),
  '@x402/axios': () => wrapAxiosWithPayment(axios.create(), wallet(ClientOfAxios)).get(url),
  'x402-fetch': () => wrapFetchWithVersion1(fetch, account)(url),
};
const said = {};
for (const [name, ask] of Object.entries(clients)) {
  said[name] = await ask().then(
    (response) => `answered ${response.status}`,
    (error) => `${error.name}: ${error.message}`,
  );
}
console.log(JSON.stringify(said));
