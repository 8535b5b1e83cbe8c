/**
 * All the members of the scenario `monitors` at once: every address of 127.0.0.0/8 answers here, and each is a member. Notes
 * how long after its last check each is checked again. `POST /begin` forgets the gaps so far, `GET /gaps` gives them. Prints
 * its port.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const lastMs = new Map<string, number>()
/** Bound: the checks between `/begin` and `/gaps`. */
let gapsMs: number[] = []

const server = createServer((request, response) => {
  request.resume()
  if (request.url === '/begin') {
    gapsMs = []
    response.end()
  } else if (request.url === '/gaps') {
    response.end(JSON.stringify({ gapsMs, members: lastMs.size }))
  } else {
    const member = request.socket.localAddress!
    const nowMs = performance.now()
    const before = lastMs.get(member)
    if (before !== undefined) gapsMs.push(nowMs - before)
    lastMs.set(member, nowMs)
    response.end('ok')
  }
})
server.listen({ host: '0.0.0.0', port: 0, backlog: 4096 }, () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`)
})
