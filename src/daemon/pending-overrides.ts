/**
 * Overrides while the database is away: this node takes them, keeps them on its disk and answers by them at once, and tells the
 * database when it is back, which tells the other nodes. Until a word is settled, what is said of the same comes the same way, so that the
 * order in which it was said is kept.
 */
import { join } from 'node:path'
import { isUnavailable } from '../controlplane/model/errors.ts'
import type { NewEvent } from '../controlplane/model/event.ts'
import type { Override, ServiceOverride } from '../controlplane/model/override.ts'
import type { PendingWord, WordTarget } from '../controlplane/model/pending-word.ts'
import { PendingWords } from '../controlplane/offline/pending-words.ts'
import { tellWord } from '../controlplane/store/told-words.ts'
import { orAborted } from '../controlplane/timing/clock.ts'
import { PollLoop } from '../controlplane/timing/poll-loop.ts'
import type { Ground, Hearing } from './announce.ts'
import type { Configuration } from './configuration.ts'

/** The database may be there and take nothing, as one does that can only be read. */
const tellEveryMs = 1000
const servedPatienceMs = 30_000

export class PendingOverrides implements AsyncDisposable {
  readonly words: PendingWords
  readonly #ground: Ground
  readonly #configuration: () => Configuration
  readonly #loop: PollLoop
  readonly #failed: (error: unknown) => void

  constructor(ground: Ground, configuration: () => Configuration) {
    this.#ground = ground
    this.#failed = ground.faults.retried('telling the database of overrides failed; trying again')
    this.#configuration = configuration
    this.words = new PendingWords(join(ground.config.dataDir, 'pending-overrides.json'))
    this.#loop = new PollLoop({
      look: () => this.#tell(),
      everyMs: () => (this.words.size > 0 ? tellEveryMs : Number.POSITIVE_INFINITY),
      onError: (error) => this.#failed(error),
    })
  }

  readonly hears: Hearing<'pending'> = {
    'database-available': () => this.#loop.hint(),
  }

  /** Reads what was taken before the start. */
  async open(): Promise<void> {
    const { log } = this.#ground
    await this.words.open((reason) =>
      log.error({ reason }, 'overrides that the database was not told were lost'),
    )
    if (this.words.size > 0)
      log.warn({ overrides: this.words.size }, 'overrides wait for the database from before the start')
  }

  /** From now on the database is told, when it is there. */
  start(): void {
    this.#loop.start()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#loop.stop()
  }

  /** Whether something that was said of the same waits for the database. */
  waits(target: WordTarget): boolean {
    return this.words.has(target)
  }

  /** Takes a word: resolves when it is on disk. Throws `unavailable` when it can't be kept. */
  async take(word: PendingWord): Promise<{ readonly served: Promise<void> }> {
    await this.words.take(word)
    this.#loop.hint()
    return { served: this.#configuration().amend(word) }
  }

  /** Waits until a revision is served, or for as long as that may take: a backup may take it away again. */
  async #served(revision: number): Promise<void> {
    const { signal } = this.#loop
    const either = AbortSignal.any([signal, AbortSignal.timeout(servedPatienceMs)])
    await this.#configuration()
      .publisher.reached(revision, either)
      .catch(() => signal.throwIfAborted())
  }

  async #tell(): Promise<boolean> {
    if (!this.#ground.database.up) return false
    for (const word of this.words.all) {
      try {
        await this.#tellOne(word)
      } catch (error) {
        if (this.#loop.signal.aborted || isUnavailable(error)) throw error
        // It is tried again, and holds up no other one.
        this.#failed(error)
      }
    }
    return false
  }

  async #tellOne(word: PendingWord): Promise<void> {
    const { announce, database, log } = this.#ground
    const { signal } = this.#loop
    const telling = database.write(word.actor, (write) => tellWord(write, word))
    // A stop does not wait for a database that says nothing; told twice is told once.
    const { revision, result: reason } = await orAborted(telling, signal)
    this.words.tell(word, revision)
    // Until then what is served has it from here alone, also after a start.
    await this.#served(revision)
    await this.words.settle(word)
    if (reason === null) return
    log.warn({ override: word, reason }, 'an override from the time without the database holds no more')
    if (word.override !== null) announce({ kind: 'operated', events: [droppedEvent(word.override, reason)] })
  }
}

function droppedEvent(override: Override | ServiceOverride, reason: string): NewEvent {
  const { since: _, until: __, pending: ___, ...said } = override
  const why = `dropped when the database was back: ${reason}`
  return { kind: 'override', ...said, reason: why, actor: 'system', what: 'deleted', at: new Date() }
}
