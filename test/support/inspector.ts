/** Runs code in a process of the server, as a debugger does (SIGUSR1), so that nothing in the server is there for tests alone. */
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import type { DaemonProcess } from './daemon.ts'
import { patience } from './patience.ts'

/** Sends the code and does not wait for what it comes to: it may end the process. */
export async function runIn(daemon: DaemonProcess, pid: number, code: string): Promise<void> {
  const from = daemon.stderr.length
  process.kill(pid, 'SIGUSR1')
  const socket = new WebSocket(await debuggerUrl(daemon, from))
  await once(socket, 'open')
  const params = { expression: code, includeCommandLineAPI: true }
  socket.send(JSON.stringify({ id: 1, method: 'Runtime.evaluate', params }))
  await Promise.race([once(socket, 'message'), once(socket, 'close'), delay(1000)])
  socket.close()
}

async function debuggerUrl(daemon: DaemonProcess, from: number): Promise<string> {
  for (const limit = patience(); !limit.aborted; ) {
    const url = /Debugger listening on (ws:\S+)/.exec(daemon.stderr.slice(from))?.[1]
    if (url !== undefined) return url
    await delay(50)
  }
  throw new Error(`the process does not let itself be debugged: ${daemon.stderr.slice(from)}`)
}
