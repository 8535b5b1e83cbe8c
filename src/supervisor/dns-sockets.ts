/** The sockets of DNS, as the supervisor holds them: opened once, or by somebody else, and closed at the end. */
import type { Config } from '../config.ts'
import { type ChosenBackend, chooseBackend } from '../dataplane/listener/backend.ts'
import { type HeldSockets, holdSockets } from '../dataplane/listener/held-sockets.ts'
import type { ListenError } from '../dataplane/listener/listener.ts'
import type { SyscallError, Syscalls } from '../dataplane/listener/syscalls.ts'
import type { ToControl } from './words.ts'

export interface DnsSocketsOptions {
  readonly config: Pick<Config, 'dnsListen' | 'workers' | 'udpBackend'>
  readonly syscalls: Syscalls
  /** Sockets that somebody else has opened. */
  readonly activated: HeldSockets | null
}

/** What is answered by. */
export interface OpenSockets {
  readonly held: HeldSockets
  readonly backend: ChosenBackend
}

export class DnsSockets implements Disposable {
  readonly #options: DnsSocketsOptions
  #held: HeldSockets | null
  #backend: ChosenBackend | null = null

  constructor(options: DnsSocketsOptions) {
    this.#options = options
    this.#held = options.activated
  }

  /** Opens them, unless they are open. @returns them, or what to say of why they can't be opened */
  open(): OpenSockets | Extract<ToControl, { kind: 'refused' }> {
    const { config, syscalls } = this.#options
    try {
      this.#backend ??= chooseBackend(config.udpBackend).backend
      this.#held ??= holdSockets(syscalls, {
        listen: config.dnsListen,
        udpWorkers: config.workers,
        merged: this.#backend.name === 'batch',
      })
      return { held: this.#held, backend: this.#backend }
    } catch (error) {
      const { code, message } = error as SyscallError | ListenError
      return { kind: 'refused', code, message }
    }
  }

  [Symbol.dispose](): void {
    this.#held?.[Symbol.dispose]()
  }
}
