/**
 * All that a server may have to do besides answering: signed zones, feeds that its answers go by, the query log, and who is told: a collector of
 * dnstap, one of OpenTelemetry, a webhook, a shared cache. Those who are told can hang: they take whatever is sent, and say nothing.
 */
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { put, soa } from '../e2e/fixture.ts'
import type { DaemonProcess } from '../support/daemon.ts'
import { missingPrograms } from '../support/program.ts'
import { type RedisServer, startRedis } from '../support/redis.ts'
import { TapCollector } from '../support/tap-collector.ts'
import type { Question } from './load-thread.ts'

const signed = 'signed.test'
const fed = 'fed.example.test'
/** Rows of the feed, of those that answers go by. */
const pushEveryMs = 200

const ofSigned = '^www\\.signed\\.test \\d+ A 192\\.0\\.2\\.[234]$'
export const moreQuestions: readonly Question[] = [
  { name: `www.${signed}`, type: 'A', rcode: 0, answer: ofSigned },
  { name: `ns1.${signed}`, type: 'A', rcode: 0, answer: '^ns1\\.signed\\.test \\d+ A 192\\.0\\.2\\.53$' },
  { name: `nobody.${signed}`, type: 'A', rcode: 3, answer: null },
  { name: fed, type: 'A', rcode: 0, answer: '^fed\\.example\\.test \\d+ A 192\\.0\\.2\\.[67]$' },
]

/** What they need and this host has not; null when it has all. */
export const withoutSurroundings = (): string | null => missingPrograms('redis-server') || null

export class Surroundings implements AsyncDisposable {
  readonly #collector: TapCollector
  readonly #redis: RedisServer
  /** Of OpenTelemetry, and of webhooks. */
  readonly #receiver = createServer((request, response) => {
    request.resume()
    if (this.#isSilent) this.#unanswered.add(response)
    else response.end()
  })
  readonly #unanswered = new Set<ServerResponse>()
  #isSilent = false
  #pushing: NodeJS.Timeout | undefined

  private constructor(collector: TapCollector, redis: RedisServer) {
    this.#collector = collector
    this.#redis = redis
  }

  static async start(): Promise<Surroundings> {
    const surroundings = new Surroundings(await TapCollector.start(), await startRedis())
    surroundings.#receiver.listen(0, '127.0.0.1')
    await once(surroundings.#receiver, 'listening')
    return surroundings
  }

  get env(): Readonly<Record<string, string>> {
    return {
      POOLDNS_DNSTAP: this.#collector.address,
      POOLDNS_QUERY_LOG: '1/10',
      POOLDNS_CACHE_URL: this.#redis.url,
      POOLDNS_OTEL: 'on',
      OTEL_EXPORTER_OTLP_ENDPOINT: this.#url,
      OTEL_METRIC_EXPORT_INTERVAL: '1000',
    }
  }

  get #url(): string {
    return `http://127.0.0.1:${(this.#receiver.address() as AddressInfo).port}`
  }

  /** @param pool of which the members' state is told */
  async configure(daemon: DaemonProcess, pool: string): Promise<void> {
    const rrsets = [
      { name: '@', type: 'NS', data: ['ns1'] },
      { name: 'ns1', type: 'A', data: ['192.0.2.53'] },
    ]
    await put(daemon, `/v1/zones/${signed}`, { soa, dnssec: { enabled: true }, rrsets })
    await put(daemon, `/v1/services/www.${signed}`, { pools: [pool], ttl: 5 })
    await put(daemon, '/v1/webhooks/all', { url: `${this.#url}/hook` })
    await put(daemon, '/v1/feeds/load', { columns: { free: {} } })
    const member = (last: number) => ({
      address: `192.0.2.${last}`,
      weight: { feed: 'load', column: 'free', maxAge: '1h' },
    })
    await put(daemon, '/v1/pools/fed', { select: 'weighted', members: { m6: member(6), m7: member(7) } })
    await put(daemon, `/v1/services/${fed}`, { pools: ['fed'], ttl: 5 })
  }

  /** Pushes rows all the time, and asks for what the cache keeps. @param daemon the one that runs now */
  begin(daemon: () => DaemonProcess): void {
    this.#pushing = setInterval(() => {
      const row = (entity: string) => ({
        time_instant: new Date().toISOString(),
        id_entity: entity,
        free: 1 + Math.random(),
      })
      const json = [row('m6'), row('m7')]
      // Whether they are taken is no matter here: who pushes pushes again.
      for (const asked of [
        daemon().request('/v1/feeds/load/rows', { method: 'POST', json }),
        daemon().request('/v1/feeds/load?latest=true'),
        daemon().request('/v1/history?limit=5'),
      ])
        asked.then((reply) => reply.arrayBuffer()).catch(() => undefined)
    }, pushEveryMs)
  }

  /** Whoever is told says nothing any more, and reads nothing. */
  hang(): void {
    this.#isSilent = true
    this.#collector.standStill()
    this.#redis.freeze()
  }

  goOn(): void {
    this.#isSilent = false
    for (const response of this.#unanswered) response.end()
    this.#unanswered.clear()
    this.#collector.goOn()
    this.#redis.thaw()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#pushing)
    this.goOn()
    this.#receiver.closeAllConnections()
    this.#receiver.close()
    await this.#collector[Symbol.asyncDispose]()
    await this.#redis[Symbol.asyncDispose]()
  }
}
