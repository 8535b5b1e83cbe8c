/**
 * All the members of the scenario `monitors` at once: every address of 127.0.0.0/8 answers here, and each is a member. Notes
 * how long after its last check each is checked again, but for its first two checks, which the scheduler sets closer or wider.
 * `POST /begin` forgets the gaps so far, `GET /gaps` gives them. Prints its port.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const checked = new Map<string, { count: number; lastMs: number }>()
/** Bound: the checks between `/begin` and `/gaps`. */
let gapsMs: number[] = []

const server = createServer((request, response) => {
  request.resume()
  if (request.url === '/begin') {
    gapsMs = []
    response.end()
  } else if (request.url === '/gaps') {
    response.end(JSON.stringify({ gapsMs, members: checked.size }))
  } else {
    const member = request.socket.localAddress!
    const nowMs = performance.now()
    const before = checked.get(member) ?? { count: 0, lastMs: nowMs }
    if (before.count >= 2) gapsMs.push(nowMs - before.lastMs)
    checked.set(member, { count: before.count + 1, lastMs: nowMs })
    response.end('ok')
  }
})
server.listen({ host: '0.0.0.0', port: 0, backlog: 4096 }, () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`)
})
