/** The control plane's end of the channel to its supervisor, whose child this process is. */
import type { Duplex } from 'node:stream'
import { type Channel, sayAlive } from '../dataplane/life/child-signs.ts'
import { type ListenAddress, ListenError } from '../dataplane/listener/listener.ts'
import type { NameHashKey } from '../dataplane/wire/name-hash-key-sharing.ts'
import type { Beginning, FromControl, Restarts, ToControl } from '../supervisor/words.ts'
import { version } from '../version.ts'
import type { Opened, Supervision } from './supervision.ts'

/** The supervisor ended, or told us to. */
export type StopReason = 'told' | 'left alone'

export class Supervised implements Supervision {
  isAnswering = false
  keepsAnswering = false
  memory: number | null = null
  /** Resolves when this process is to stop. */
  readonly stop: Promise<StopReason>
  readonly #stop = Promise.withResolvers<StopReason>()
  #opened = Promise.withResolvers<Opened>()
  #onLink: (stream: Duplex, dataPlane: number) => void = (stream) => stream.destroy()
  #restarts: Restarts = { control: 0, data: 0 }

  /** Resolves with the key, before anything may be loaded that hashes names. */
  readonly nameHashKey: Promise<NameHashKey>
  readonly #nameHashKey = Promise.withResolvers<NameHashKey>()
  readonly #begun = Promise.withResolvers<Beginning>()

  constructor() {
    this.stop = this.#stop.promise
    this.nameHashKey = this.#nameHashKey.promise
    process.on('message', (message: ToControl, handle) => this.#hear(message, handle as unknown as Duplex))
    process.once('disconnect', () => this.#stop.resolve('left alone'))
  }

  /** Says that this process could begin. Resolves when it may; with null when it is to end instead. */
  async prepared(): Promise<Beginning | null> {
    this.#say({ kind: 'prepared', version })
    return await Promise.race([this.#begun.promise, this.stop.then(() => null)])
  }

  /** Says why this process ends, to those who wait for it. */
  failed(message: string): void {
    this.#say({ kind: 'failed', message })
  }

  open(connections: number): Promise<Opened> {
    this.#opened = Promise.withResolvers()
    this.#say({ kind: 'open', connections })
    return this.#opened.promise
  }

  serving(dataPlane: number): void {
    this.#say({ kind: 'serving', dataPlane })
  }

  parted(dataPlane: number): void {
    this.#say({ kind: 'parted', dataPlane })
  }

  deaf(dataPlane: number): void {
    this.#say({ kind: 'deaf', dataPlane })
  }

  links(onLink: (stream: Duplex, dataPlane: number) => void): void {
    this.#onLink = onLink
  }

  /** Says that this process lives, from now on. @param works whether there is nothing that only a new process could mend */
  showsLife(works: () => boolean): void {
    // Node's own type has it that a message is followed by a handle.
    sayAlive(process as Channel, works)
  }

  restarts() {
    return Object.entries(this.#restarts).map(([process, count]) => ({ process, count }))
  }

  /** Says where HTTP is, so that the next process has it there, too. */
  bound(http: ListenAddress): void {
    this.#say({ kind: 'bound', http })
  }

  /** Says that this process does all that it is for. */
  ready(): void {
    this.#say({ kind: 'ready' })
  }

  #hear(message: ToControl, handle: Duplex): void {
    switch (message.kind) {
      case 'prepare':
        this.#nameHashKey.resolve(message.nameHashKey)
        break
      case 'begin':
        this.memory = message.memory
        this.isAnswering = message.isAnswering
        this.#begun.resolve(message)
        break
      case 'opened':
        this.#opened.resolve(message)
        break
      case 'refused':
        this.#opened.reject(new ListenError(message.code, message.message))
        break
      case 'link':
        this.#onLink(handle, message.dataPlane)
        break
      case 'restarts':
        this.#restarts = message.restarts
        break
      case 'stop':
        this.keepsAnswering = message.keepsAnswering
        this.#stop.resolve('told')
        break
    }
  }

  #say(message: FromControl): void {
    if (process.connected) process.send!(message)
  }
}
