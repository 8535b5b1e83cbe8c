/**
 * The signing thread as the main thread sees it: keys of zones are open there, and in the compile thread, and nowhere else. It is not the
 * compile thread because that may take seconds for a zone, and an answer that is to be signed is waited for.
 *
 * It starts with the first RRset that is to be signed. One that dies is started again by the next; what it had signed since the last
 * `persist` is signed again then.
 */
import type { KeyFile } from '../dnssec/key-file.ts'
import { type BeatingThread, type Call, CalledThread, type StopMessage } from '../threads/called-thread.ts'
import type { SigningReply, SigningRequest } from './set-signer.ts'

export interface SigningThreadOptions {
  /** Where signatures are kept. */
  readonly directory: string
  readonly keyFile: KeyFile
  /** How long a stop waits for the thread to end by itself before it is terminated. */
  readonly graceMs: number
  /** The thread died by itself. */
  readonly onDeath?: (reason: string) => void
}

/** What the thread is started with. */
export type SigningThreadData = Pick<SigningThreadOptions, 'directory' | 'keyFile'> & BeatingThread

export type ToSigner =
  | { readonly kind: 'sign' | 'retain'; readonly id: number; readonly requests: readonly SigningRequest[] }
  | { readonly kind: 'forget'; readonly id: number; readonly apexes: readonly string[] }
  | { readonly kind: 'persist'; readonly id: number }
  | StopMessage

/** It gives signs before each RRset. */
const patience = { stillMs: 1500, busyMs: 3000 }

export class SigningThread implements AsyncDisposable {
  readonly #thread: CalledThread<ToSigner>
  #isUsed = false

  constructor({ directory, keyFile, graceMs, onDeath }: SigningThreadOptions) {
    this.#thread = new CalledThread({
      file: './signing-worker',
      beside: import.meta.url,
      name: 'signing',
      workerData: { directory, keyFile },
      graceMs,
      patience,
      onDeath,
    })
  }

  /** Why nothing can be signed now; null when it can. */
  get trouble(): string | null {
    return this.#thread.trouble
  }

  /** Whether the thread hangs, and can't even be ended. */
  get stuck(): boolean {
    return this.#thread.stuck
  }

  /**
   * @returns a reply for each
   * @throws Error when the thread died or was stopped
   */
  async sign(requests: readonly SigningRequest[]): Promise<readonly SigningReply[]> {
    return (await this.#call((id) => ({ kind: 'sign', id, requests }))) as SigningReply[]
  }

  /** Forgets all of these zones but what is asked for. Throws as `sign` does. */
  async retain(requests: readonly SigningRequest[]): Promise<void> {
    await this.#call((id) => ({ kind: 'retain', id, requests }))
  }

  /** Forgets zones. Throws as `sign` does. */
  async forget(apexes: readonly string[]): Promise<void> {
    await this.#call((id) => ({ kind: 'forget', id, apexes }))
  }

  /** Writes what has been signed since. @throws Error as `sign` does, and for what the disk says; the reason of `signal` */
  async persist(signal?: AbortSignal): Promise<void> {
    if (this.#isUsed) await this.#call((id) => ({ kind: 'persist', id }), signal)
  }

  #call(message: (id: number) => ToSigner & Call, signal?: AbortSignal): Promise<unknown> {
    this.#isUsed = true
    return this.#thread.call(message, signal)
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    await this.#thread.stop()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}
