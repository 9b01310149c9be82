// Calls tools with the unmodified SDK of MCP: node mcp.mjs. Reads one line of JSON for each step, and writes one.
import { createInterface } from 'node:readline'

import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'

const servers = new Map()

async function connect({ program, arguments: args, env }, server) {
  const transport = new StdioClientTransport({ command: program, args, env, stderr: 'pipe' })
  transport.stderr.on('data', (data) => (server.log += data))
  const client = new Client({ name: 'tests', version: '1.0.0' })
  client.onerror = (error) => server.errors.push(String(error))
  await client.connect(transport)
  return client
}

async function call(client, { name, arguments: args, cancelAfter }) {
  const signal = cancelAfter === undefined ? undefined : AbortSignal.timeout(cancelAfter)
  try {
    return await client.callTool({ name, arguments: args }, undefined, { signal })
  } catch (error) {
    return { thrown: error.message, code: error.code, data: error.data }
  }
}

async function take(step) {
  let server = servers.get(step.server)
  if (!server) {
    server = { log: '', errors: [] }
    servers.set(step.server, server)
    server.client = await connect(step, server).catch((error) => void server.errors.push(String(error)))
  }
  const { client, errors } = server
  const results = client ? await Promise.all((step.calls ?? []).map((one) => call(client, one))) : []
  const tools = client && step.list ? (await client.listTools()).tools : undefined
  const about = client && { info: client.getServerVersion(), instructions: client.getInstructions() }
  return { results, tools, about, errors, log: server.log }
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await take(JSON.parse(line)).catch((error) => ({ failed: String(error) }))))
}
