// One question by each SDK: node ai.mjs GATEWAY pm_… MOST
// Prints one line of JSON each: what was said, in one piece and as a stream, or with which error it ended.
import Anthropic from '@anthropic-ai/sdk';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, streamText } from 'ai';
import OpenAI from 'openai';

import { createSdkFetch } from '../../client/js/dist/esm/index.js';

const [gateway, paymentMethodId, maxPrice] = process.argv.slice(2);
const left = [];
const fetch = createSdkFetch({
  paymentMethodId,
  maxPrice: Number(maxPrice),
  onReceipt: (paid) => left.push(paid.creditsRemaining),
});
const messages = [{ role: 'user', content: 'Say five words.' }];
const openai = new OpenAI({ apiKey: 'none', baseURL: `${gateway}/v1`, fetch });
const anthropic = new Anthropic({ apiKey: 'none', baseURL: gateway, fetch });
const vercel = createOpenAICompatible({ name: 'demo', baseURL: `${gateway}/v1`, fetch })('demo');

const questions = {
  openai: async () => {
    const whole = await openai.chat.completions.create({ model: 'demo', max_tokens: 5, messages });
    const events = await openai.chat.completions.create({ model: 'demo', max_tokens: 5, messages, stream: true });
    let streamed = '';
    for await (const event of events) streamed += event.choices[0]?.delta?.content ?? '';
    return [whole.choices[0].message.content, streamed];
  },
  anthropic: async () => {
    const whole = await anthropic.messages.create({ model: 'demo', max_tokens: 5, messages });
    const streamed = await anthropic.messages.stream({ model: 'demo', max_tokens: 5, messages }).finalText();
    return [whole.content[0].text, streamed];
  },
  vercel: async () => {
    const whole = await generateText({ model: vercel, maxOutputTokens: 5, messages });
    const { textStream } = streamText({ model: vercel, maxOutputTokens: 5, messages });
    let streamed = '';
    for await (const text of textStream) streamed += text;
    return [whole.text, streamed];
  },
};

for (const [sdk, ask] of Object.entries(questions)) {
  try {
    const said = await ask();
    console.log(JSON.stringify({ sdk, said: said.map((text) => text.trim()), left: left.splice(0) }));
  } catch (error) {
    const body = error.responseBody === undefined ? error.error : JSON.parse(error.responseBody);
    const { code, reason, clientSecret: secret } = body.error ?? body;
    console.log(JSON.stringify({ sdk, status: error.status ?? error.statusCode, code, reason, secret }));
  }
}
