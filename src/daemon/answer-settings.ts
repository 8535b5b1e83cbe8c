/** What the workers are told of how to answer, beside what they answer: from the configuration, and the secrets of cookies. */

import type { Config } from '../config.ts'
import type { ImagePump } from '../controlplane/serve/image-pump.ts'
import { refreshCookieKeys } from '../controlplane/store/cookie-keys.ts'
import type { Database } from '../controlplane/store/database.ts'
import type { AnswerSettings } from '../dataplane/image/answer-settings.ts'
import { only } from '../dataplane/image/serving-set.ts'
import { parseName } from '../dataplane/wire/name.ts'
import { version } from '../version.ts'

export class AnswerSettingsSource {
  readonly #settings: Omit<AnswerSettings, 'cookieKeys'>
  readonly #pump: ImagePump
  #sent: string | undefined

  /** @param nodeId told by NSID where the operator has set no identity */
  constructor(config: Config, nodeId: string, pump: ImagePump) {
    const { identity, rateLimit, noCookieOctets, sample } = config
    const { dnstap, dnstapMessages, dnstapEvery, queryLogEvery } = config
    const nsid = Buffer.from(identity ?? nodeId)
    const tap = dnstap && {
      to: dnstap,
      queries: dnstapMessages !== 'responses',
      responses: dnstapMessages !== 'queries',
      every: dnstapEvery,
      identity: identity ?? nodeId,
      version: `pooldns ${version}`,
    }
    // Whose it is, the rows say.
    const toLog = { queries: false, responses: true, identity: '', version: '' }
    const queryLog = queryLogEvery === null ? null : { ...toLog, every: queryLogEvery }
    const chaos = chaosTexts(config)
    const onlookers = { ...(tap && { tap }), ...(queryLog && { queryLog }) }
    this.#settings = { nsid, chaos, rateLimit, noCookieOctets, sample, ...onlookers }
    this.#pump = pump
  }

  /** Hands over what the configuration says. There are no cookies before the database has been read: it holds their secrets. */
  async begin(): Promise<void> {
    await this.#send([])
  }

  /** Takes the secrets of the database, if it is there and they are others than those that the workers have. */
  async follow(database: Database): Promise<void> {
    if (database.up) await this.#send(await database.record((tx) => refreshCookieKeys(tx, new Date())))
  }

  async #send(cookieKeys: readonly Uint8Array[]): Promise<void> {
    const seen = cookieKeys.map((key) => Buffer.from(key).toString('hex')).join()
    if (seen === this.#sent) return
    this.#sent = seen
    await this.#pump.push({ settings: only({ ...this.#settings, cookieKeys }) })
  }
}

function chaosTexts({ identity, chaosVersion }: Config): AnswerSettings['chaos'] {
  const texts = {
    'version.bind.': chaosVersion,
    'version.server.': chaosVersion,
    'hostname.bind.': identity,
    'id.server.': identity,
  }
  return Object.entries(texts).flatMap(([name, text]) =>
    text === null ? [] : [{ name: parseName(name), text }],
  )
}
