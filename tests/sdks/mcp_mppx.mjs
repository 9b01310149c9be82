// Tools that a gateway sells, with the unmodified SDK of MCP on the unmodified fetch of mppx:
// node mcp_mppx.mjs URL TOKENS PAYMENT_METHOD. Prints what the tools said, and how many tokens were made.
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { Mppx, stripe } from 'mppx/client'

import { makeTokens } from './tokens.mjs'

const [url, tokens, paymentMethod] = process.argv.slice(2)
const { createToken, made } = makeTokens(tokens)
const mppx = Mppx.create({ polyfill: false, methods: [stripe({ paymentMethod, createToken })] })
const client = new Client({ name: 'tests', version: '1.0.0' })
await client.connect(new StreamableHTTPClientTransport(new URL(url), { fetch: mppx.fetch }))
const said = []
for (const name of ['echo', 'search', 'report']) {
  const { content } = await client.callTool({ name, arguments: { text: 'hi', query: 'hi', subject: 'hi' } })
  said.push(content[0].text)
}
console.log(JSON.stringify({ said, made: made() }))
await client.close()
