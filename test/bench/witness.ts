/** A client beside dnsperf: asks one query after the other, some each second, and notes how long the longest answer took. */
import { setTimeout as delay } from 'node:timers/promises'
import { query, UdpClient } from '../support/dns-client.ts'
import { zone } from './zone-data.ts'

const pauseMs = 250
/** Longer than dnsperf waits. */
const giveUpMs = 10_000

export interface Witness extends AsyncDisposable {
  /** That it got so far. */
  readonly answers: number
  /** Ends after the query under way. */
  finish(): Promise<{ readonly longestWaitMs: number }>
}

export async function startWitness(port: number): Promise<Witness> {
  const client = await UdpClient.open({ host: '127.0.0.1', port })
  const ending = new AbortController()
  let answers = 0
  let longestWaitMs = 0
  const asking = (async () => {
    while (!ending.signal.aborted) {
      const beganMs = performance.now()
      if (await isAnswered(client)) answers++
      longestWaitMs = Math.max(longestWaitMs, performance.now() - beganMs)
      await delay(pauseMs, undefined, { signal: ending.signal }).catch(() => undefined)
    }
  })()
  const finish = async () => {
    ending.abort()
    await asking
    return { longestWaitMs }
  }
  return {
    get answers() {
      return answers
    },
    finish,
    async [Symbol.asyncDispose]() {
      await finish()
      await client[Symbol.asyncDispose]()
    },
  }
}

/** Within `giveUpMs`. */
async function isAnswered(client: UdpClient): Promise<boolean> {
  const over = new AbortController()
  const gaveUp = delay(giveUpMs, false, { signal: over.signal }).catch(() => false)
  const answered = client.exchange(query(`h1.${zone}`, 'A')).then(() => true)
  try {
    return await Promise.race([answered, gaveUp])
  } finally {
    over.abort()
  }
}
