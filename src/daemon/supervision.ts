/** The supervisor, as the control plane sees it. */
import type { Duplex } from 'node:stream'
import type { ChosenBackend } from '../dataplane/listener/backend.ts'
import type { ListenAddress } from '../dataplane/listener/listener.ts'

/** What the supervisor says to `open`. */
export interface Opened {
  readonly bound: readonly ListenAddress[]
  readonly backend: ChosenBackend
  readonly skipped: readonly string[]
}

export interface Supervision {
  /**
   * Has DNS listened for. Rejects with a `ListenError` when an address can't be bound.
   *
   * @param connections most that are open over TCP
   */
  open(connections: number): Promise<Opened>
  /** Says that a data plane serves all that it was told at first: others may end. */
  serving(dataPlane: number): void
  /** Says that the connection to a data plane has ended: another one is made, if both live. */
  parted(dataPlane: number): void
  /** Says that a data plane does not do what it is told: it is replaced. */
  deaf(dataPlane: number): void
  /** @param onLink told of each connection to a data plane */
  links(onLink: (stream: Duplex, dataPlane: number) => void): void
  /** How often each process was started again after it had ended by itself. */
  restarts(): readonly { readonly process: string; readonly count: number }[]
  /** Whether DNS was answered before this process began. */
  readonly isAnswering: boolean
  /** Whether the data plane is to go on without this process. */
  readonly keepsAnswering: boolean
  /** The descriptor of the memory that this process shares with those that answer; null where there is none. */
  readonly memory: number | null
}
