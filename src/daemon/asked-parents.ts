/**
 * Asks the parents of zones whose keys are rolled over for their DS, beside what else moves rollovers: servers that are silent take seconds each,
 * and hold up nobody but their own zone.
 */
import {
  askParentServers,
  findParentServers,
  judgeParent,
  type ParentVerdict,
  type SaidByServer,
} from '../controlplane/dnssec/parent-servers.ts'
import { dnskeyOf } from '../controlplane/dnssec/zone-key.ts'
import type { ZoneKey } from '../controlplane/model/dnssec.ts'
import { dutiesOf, type ZoneRollover } from '../controlplane/model/rollover.ts'
import { listKeys } from '../controlplane/store/dnssec-keys.ts'
import { currentRevision } from '../controlplane/store/revision.ts'
import type { OpenRollover } from '../controlplane/store/rollovers.ts'
import { ownParentRecords } from '../controlplane/store/signing.ts'
import { monotonicClock } from '../controlplane/timing/clock.ts'
import { failing, type Ground } from './announce.ts'

/** A parent is asked no more often; sooner in zones whose times are short, which are tried out. */
const askEveryMs = 300_000
/** Bounds all of what a parent is asked at a time. */
const askForMs = 30_000
/** Parents that are asked at the same time. */
const mostAtOnce = 16

/** Of a zone: bounded by the rollovers, as `retain` has them. */
interface Asked {
  readonly atMs: number
  /** A server of the parent could not be asked then. */
  readonly isSilent: boolean
}

/** What a parent says, and the revision that was current when a zone of ours around it said so; null where there is none. */
export interface AskedVerdict extends ParentVerdict {
  readonly ownRevision: number | null
}

export class AskedParents implements AsyncDisposable {
  readonly #ground: Ground
  readonly #tell: (rollover: ZoneRollover, verdict: AskedVerdict) => Promise<void>
  readonly #asked = new Map<string, Asked>()
  /** By apex. Bound: `mostAtOnce`. */
  readonly #asking = new Map<string, Promise<void>>()
  readonly #abort = new AbortController()

  /** @param tell takes what a parent says for a step of a rollover, which may be over by then */
  constructor(ground: Ground, tell: (rollover: ZoneRollover, verdict: AskedVerdict) => Promise<void>) {
    this.#ground = ground
    this.#tell = tell
  }

  /** Whether a server of a zone's parent could not be asked, when this node last did. */
  isSilent(apex: string): boolean {
    return this.#asked.get(apex)?.isSilent === true
  }

  /** Forgets zones that no rollover is under way for. */
  retain(apexes: ReadonlySet<string>): void {
    for (const apex of this.#asked.keys()) if (!apexes.has(apex)) this.#asked.delete(apex)
  }

  /** Has a parent asked, unless it was a while ago, or is being asked, or too many are: then later. */
  ask(open: OpenRollover): void {
    const { apex } = open.rollover
    if (this.#abort.signal.aborted || this.#asking.has(apex) || this.#asking.size >= mostAtOnce) return
    const everyMs = Math.min(askEveryMs, open.signing.propagationSeconds * 1000)
    const now = monotonicClock.nowMs()
    const { atMs, isSilent } = this.#asked.get(apex) ?? { atMs: Number.NEGATIVE_INFINITY, isSilent: false }
    if (now - atMs < everyMs) return
    this.#asked.set(apex, { atMs: now, isSilent })
    const asking = this.#ask(open)
      .catch(failing(this.#ground.log, 'a parent was not asked for its DS'))
      .finally(() => this.#asking.delete(apex))
    this.#asking.set(apex, asking)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort()
    await Promise.all(this.#asking.values())
  }

  async #ask(open: OpenRollover): Promise<void> {
    const { rollover } = open
    const ending = AbortSignal.any([this.#ground.signal, this.#abort.signal])
    const verdict = await this.#verdict(open, AbortSignal.any([ending, AbortSignal.timeout(askForMs)]))
    // Who was not waited for has not been silent.
    if (ending.aborted) return
    const asked = this.#asked.get(rollover.apex)
    if (asked !== undefined) this.#asked.set(rollover.apex, { ...asked, isSilent: verdict.isSilent })
    await this.#tell(rollover, verdict)
  }

  async #verdict({ rollover, signing }: OpenRollover, signal: AbortSignal): Promise<AskedVerdict> {
    const { apex, goal } = rollover
    const { database, config } = this.#ground
    const { keys, own, revision } = await database.read(async (tx) => ({
      keys: await listKeys(tx, apex),
      own: await ownParentRecords(tx, apex),
      revision: await currentRevision(tx),
    }))
    const ownRevision = own === null ? null : revision
    let said: readonly SaidByServer[]
    if (signing.parentServers.length > 0) {
      const servers = signing.parentServers.map((address) => ({ name: address, addresses: [address] }))
      said = await askParentServers(apex, servers, signal)
    } else if (own !== null) said = [{ name: `zone ${own.apex}`, ...own }]
    else {
      const servers = await findParentServers(apex, config.resolvers, signal)
      if (typeof servers === 'string')
        return { isDone: false, isSilent: true, ttlSeconds: null, says: servers, ownRevision }
      said = await askParentServers(apex, servers, signal)
    }
    const judged = judgeParent(apex, said, { ...wantedAtParent(keys, rollover), none: goal === 'unsigned' })
    return { ...judged, ownRevision }
  }
}

/** The keys that the parent is to know, and those of the rollover that it is not to. */
function wantedAtParent(keys: readonly ZoneKey[], rollover: ZoneRollover) {
  // As they are from the step on in which the parent is asked.
  const asked = { ...rollover, step: 'parent' } as const
  const entries = keys.filter(({ role, state }) => role !== 'zsk' && state !== 'retired')
  const isWanted = ({ role, state }: ZoneKey) => dutiesOf(role, state, asked).atParent
  return {
    wanted: entries.filter(isWanted).map(dnskeyOf),
    unwanted: entries.filter((key) => !isWanted(key)).map(dnskeyOf),
  }
}
