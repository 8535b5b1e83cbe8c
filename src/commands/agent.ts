/**
 * `pooldns agent`: runs a check again and again, and reports what its exit says to every server. By the conventions of Nagios and
 * of all that came after it: 0 is ok, 1 a warning, 2 critical, 3 unknown; the first line of the output says why.
 *
 * A server that does not answer holds up no other, and what it was not told it learns from the next report, or through the
 * database from another server. `unknown` says nothing of the member, so nothing is reported: the last report runs out at its ttl.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { UsageError } from '../config.ts'
import { formatDuration, parseDuration } from '../controlplane/document/duration.ts'
import { printable } from '../terminal-text.ts'
import { type CheckResult, runCheck } from './agent-check.ts'
import type { ApiClient } from './api-client.ts'
import { defineCommand } from './frame/command.ts'
import { namedServers, serversOptions } from './server-choice.ts'

interface Plan {
  readonly servers: readonly ApiClient[]
  readonly pool: string
  readonly members: readonly string[]
  readonly command: readonly string[]
  readonly everyMs: number
  readonly timeoutMs: number
  readonly ttlMs: number
  readonly once: boolean
}

/** The most that a server may take for its answer. */
const longestRequestMs = 5000

export const agentCommand = defineCommand({
  arguments: { command: { summary: 'the check and its arguments, behind --', need: 'several' } },
  options: {
    pool: { type: 'string', value: 'POOL', summary: 'the pool' },
    member: { type: 'string', value: 'MEMBER', multiple: true, summary: 'the member, or several' },
    every: { type: 'string', value: 'DURATION', summary: 'how often, 10s unless said otherwise' },
    timeout: {
      type: 'string',
      value: 'DURATION',
      summary: 'how long a check may take, by default until the next',
    },
    ttl: {
      type: 'string',
      value: 'DURATION',
      summary: 'how long a report is good, by default until two were lost',
    },
    once: { type: 'boolean', summary: 'check and report once' },
    ...serversOptions,
  },
  examples: [
    {
      line: 'pooldns agent --server https://dns.example --pool web --member fra-1 -- check_http -H 127.0.0.1',
      does: 'report every ten seconds what the check exits with: 0 ok, 1 warning, 2 critical, 3 unknown',
    },
  ],
  async run({ command }, values) {
    const { pool, member: members = [], once = false } = values
    if (pool === undefined || members.length === 0)
      throw new UsageError('agent takes --pool POOL and --member MEMBER, the last one or several times')
    const everyMs = duration('--every', values.every ?? '10s', 1000)
    const timeoutMs = duration('--timeout', values.timeout ?? formatDuration(everyMs), 100)
    // Two reports may be lost.
    const ttlMs = duration('--ttl', values.ttl ?? formatDuration(3 * everyMs + timeoutMs), 1000)
    const servers = namedServers(values, process.env)
    await report({ servers, pool, members, command, everyMs, timeoutMs, ttlMs, once })
  },
})

async function report(plan: Plan): Promise<void> {
  const ended = new AbortController()
  const end = () => ended.abort()
  process.once('SIGTERM', end).once('SIGINT', end)
  do {
    const startedMs = performance.now()
    const result = await runCheck(plan.command, plan.timeoutMs, ended.signal)
    if (ended.signal.aborted) return
    const told = await tell(plan, result, ended.signal)
    if (plan.once && told < plan.servers.length) throw new Error('not every server was told')
    const restMs = plan.everyMs - (performance.now() - startedMs)
    if (!plan.once && restMs > 0)
      await pause(restMs, undefined, { signal: ended.signal }).catch(() => undefined)
  } while (!plan.once && !ended.signal.aborted)
}

function duration(flag: string, text: string, leastMs: number): number {
  const ms = parseDuration(text)
  if (ms === null || ms < leastMs || ms > 86_400_000) {
    const accepted = `a duration from ${formatDuration(leastMs)} to 1d, such as 10s`
    throw new UsageError(`${flag}: ${JSON.stringify(text)} is not accepted; it takes ${accepted}`)
  }
  return ms
}

/** @returns how many servers took the report */
async function tell(plan: Plan, { state, reason }: CheckResult, ended: AbortSignal): Promise<number> {
  if (state === null) {
    process.stderr.write(`pooldns agent: nothing to report: ${printable(reason)}\n`)
    return plan.servers.length
  }
  const ttl = formatDuration(plan.ttlMs)
  const reports = plan.members.map((member) => ({ pool: plan.pool, member, state, reason, ttl }))
  const body = JSON.stringify({ reports })
  const told = await Promise.all(
    plan.servers.map(async (server) => {
      const patience = AbortSignal.timeout(Math.min(longestRequestMs, plan.everyMs))
      const signal = AbortSignal.any([ended, patience])
      const headers = { 'content-type': 'application/json' }
      try {
        await server.ask('/v1/reports', { method: 'POST', body, headers, signal })
        return true
      } catch (error) {
        if (!ended.aborted) process.stderr.write(`pooldns agent: ${printable((error as Error).message)}\n`)
        return false
      }
    }),
  )
  return told.filter(Boolean).length
}
