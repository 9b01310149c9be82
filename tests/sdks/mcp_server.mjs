// A remote MCP server with the unmodified SDK: node mcp_server.mjs json|events. Prints its port.
import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'

import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { CallToolRequestSchema, ListToolsRequestSchema, McpError } from '@modelcontextprotocol/sdk/types.js'

const enableJsonResponse = process.argv[2] === 'json'
const text = { type: 'object', properties: { text: { type: 'string' } }, required: ['text'] }
const tools = [
  { name: 'echo', description: 'Says the same, and who asked.', inputSchema: text },
  { name: 'fail', description: 'Cannot be done.', inputSchema: text },
  { name: 'throw', description: 'Is an error of the protocol.', inputSchema: text },
  { name: 'slow', description: 'Takes two seconds.', inputSchema: text },
]
const sessions = new Map()

async function run({ params: { name, arguments: args } }, { requestInfo }) {
  const client = requestInfo.headers['x-stripe402-client-id']
  if (name === 'echo') {
    const content = [{ type: 'text', text: `${args.text}, ${client}, ${requestInfo.headers['x-mine']}` }]
    return { content, structuredContent: { said: args.text }, _meta: { mine: 'kept', words: 3 } }
  }
  if (name === 'fail') return { content: [{ type: 'text', text: 'it cannot be done' }], isError: true }
  if (name === 'throw') throw new McpError(-32000, 'no such thing', { why: 'it is not there' })
  await new Promise((done) => setTimeout(done, 2000))
  return { content: [] }
}

async function open() {
  const transport = new StreamableHTTPServerTransport({
    enableJsonResponse,
    sessionIdGenerator: () => randomUUID(),
    onsessioninitialized: (id) => void sessions.set(id, transport),
    onsessionclosed: (id) => void sessions.delete(id),
  })
  const options = { capabilities: { tools: {} }, instructions: 'Ask politely.' }
  const server = new Server({ name: 'remote', version: '7.0.0' }, options)
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools }))
  server.setRequestHandler(CallToolRequestSchema, run)
  await server.connect(transport)
  return transport
}

const http = createServer(async (request, response) => {
  // For the tests: how many sessions are open.
  if (request.url === '/sessions') return response.end(String(sessions.size))
  const id = request.headers['mcp-session-id']
  const transport = id ? sessions.get(id) : await open()
  if (!transport) return response.writeHead(404).end()
  await transport.handleRequest(request, response)
})
http.listen(0, '127.0.0.1', () => console.log(http.address().port))
