/** Signed answers of services in the daemon: the thread that signs them, what it has signed, and when that is made anew. */
import { join } from 'node:path'
import { SigningWatch } from '../controlplane/dnssec/signing-watch.ts'
import type { SigningReport } from '../controlplane/model/dnssec.ts'
import { PlanSigning } from '../controlplane/serve/plan-signing.ts'
import type { MemberFacts, Planner } from '../controlplane/serve/planner.ts'
import type { Publisher } from '../controlplane/serve/publisher.ts'
import { SignAhead } from '../controlplane/serve/sign-ahead.ts'
import { ServiceSignatures } from '../controlplane/signing/service-signatures.ts'
import { SigningThread } from '../controlplane/signing/signing-thread.ts'
import { wallClock } from '../controlplane/timing/clock.ts'
import type { Ground } from './announce.ts'
import { keyFileOf } from './key-file.ts'
import { stopBudget } from './stop-budget.ts'

export class ServiceSigning implements Disposable {
  readonly thread: SigningThread
  readonly signatures: ServiceSignatures
  readonly plans: PlanSigning
  /** What is known of the signatures of services, by zone. */
  readonly watch: SigningWatch
  /** Told when there is more to be written than was. */
  onNews: () => void = () => undefined

  /** @param publisher asked when signatures have come */
  constructor({ config, log, announce, faults }: Ground, publisher: () => Publisher) {
    this.thread = new SigningThread({
      directory: join(config.dataDir, 'snapshot', 'services'),
      keyFile: keyFileOf(config),
      graceMs: stopBudget.compilerMs,
      onDeath: (reason) => announce({ kind: 'thread-died', thread: 'signing', reason }),
    })
    this.signatures = new ServiceSignatures({
      thread: this.thread,
      onSigned: (services) => void publisher().refreshSigned(services),
      onReports: (reports) => this.#tell(reports),
      onProgress: (progress) => log.info(progress, 'answers of services are being signed'),
      onDamaged: (reason) => log.error({ reason }, 'signatures of services are made again'),
      onError: faults.retried('answers of services were not signed; trying again'),
    })
    this.plans = new PlanSigning(this.signatures)
    this.watch = new SigningWatch({
      clock: wallClock(),
      onDue: (zones) => this.signatures.renew(zones.map(({ apex }) => apex)),
    })
  }

  /** From now on what members' changes may come to is signed ahead. */
  signAhead(planner: Planner, { measured }: MemberFacts, onError: (error: unknown) => void): void {
    this.plans.ahead = new SignAhead({
      catalog: () => planner.catalog,
      measured: (pool, member) => measured(pool, member, null),
      foresee: (other) => planner.foresee(other),
      bookOf: (service) => this.plans.bookOf(service, planner.catalog),
      ask: (book, keys) => this.signatures.ask(book, keys, 'ahead'),
      onError,
    })
  }

  /** RRsets that are still to be signed. */
  get waiting(): { readonly answers: number; readonly ahead: number } {
    return this.signatures.waiting
  }

  start(): void {
    this.watch.start()
  }

  /** Signs no more; the thread is the stop's to end. */
  [Symbol.dispose](): void {
    this.watch[Symbol.dispose]()
    this.plans.ahead?.[Symbol.dispose]()
    this.signatures.stop()
  }

  #tell(reports: readonly SigningReport[]): void {
    const empty = new Set(
      reports
        .filter(({ signatures, trouble }) => signatures === 0 && trouble === null)
        .map(({ apex }) => apex),
    )
    this.watch.tell(reports.filter(({ apex }) => !empty.has(apex)))
    this.watch.retain((apex) => !empty.has(apex))
    if (reports.some(({ made }) => made > 0)) this.onNews()
  }
}
