// A remote MCP server's tool, called with the unmodified SDK and our fetch: node mcp_fetch.mjs URL pm_…
// Prints what the tool said, and what was left after each message that was paid for.
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'

import { createStripe402Fetch } from '../../client/js/dist/esm/index.js'

const [url, paymentMethodId] = process.argv.slice(2)
const left = []
const onReceipt = (paid) => left.push(paid.creditsRemaining)
const fetch = createStripe402Fetch({ paymentMethodId, maxPrice: '0.01usd', onReceipt })
const client = new Client({ name: 'tests', version: '1.0.0' })
await client.connect(new StreamableHTTPClientTransport(new URL(url), { fetch }))
const { structuredContent } = await client.callTool({ name: 'echo', arguments: { text: 'hello' } })
console.log(JSON.stringify({ ...structuredContent, left }))
await client.close()
