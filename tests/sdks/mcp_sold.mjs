// Tools that a gateway sells, with the unmodified SDK: node mcp_sold.mjs URL pm_…
// Prints what was free, what a client that does not pay was told, what the tools said, and what was left.
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'

import { createStripe402Fetch } from '../../client/js/dist/esm/index.js'

const [url, paymentMethodId] = process.argv.slice(2)
const call = (name) => ({ name, arguments: { text: 'hello', query: 'hello', subject: 'hello' } })

async function open(options) {
  const client = new Client({ name: 'tests', version: '1.0.0' })
  const transport = new StreamableHTTPClientTransport(new URL(url), options)
  await client.connect(transport)
  return { client, transport }
}

const stranger = await open({})
const tools = (await stranger.client.listTools()).tools.map((tool) => tool.name)
const free = (await stranger.client.callTool(call('echo'))).content
const refused = await stranger.client.callTool(call('search')).then(
  () => 'served',
  (error) => ({ code: error.code, message: error.message }),
)
const left = []
const onReceipt = (paid) => left.push(paid.creditsRemaining)
const fetch = createStripe402Fetch({ paymentMethodId, maxPrice: '0.50usd', onReceipt })
const payer = await open({ fetch })
const said = []
for (const name of ['echo', 'search', 'report']) {
  const { content } = await payer.client.callTool(call(name))
  said.push(content[0].text)
}
const session = payer.transport.sessionId !== undefined
await payer.transport.terminateSession()
console.log(JSON.stringify({ tools, free, refused, said, left, session }))
await Promise.all([stranger.client.close(), payer.client.close()])
