/**
 * What the supervisor and the control plane say to each other, over the channel that Node opens to a child process. A control plane may be
 * of a later version than its supervisor, which stays when the others are replaced.
 */
import type { SignOfLife } from '../dataplane/life/child-signs.ts'
import type { ChosenBackend } from '../dataplane/listener/backend.ts'
import type { ListenAddress } from '../dataplane/listener/listener.ts'
import type { NameHashKey } from '../dataplane/wire/name-hash-key-sharing.ts'

/** How often each process was started again after it had ended by itself, or was killed because it hung. */
export interface Restarts {
  readonly control: number
  readonly data: number
}

export interface Beginning {
  /** Where HTTP was bound by the one before: a port that the system chose stays the same. Null for the first. */
  readonly http: ListenAddress | null
  /** DNS is answered already. */
  readonly isAnswering: boolean
  /** The descriptor of the memory that processes share, if there is any. */
  readonly memory: number | null
}

export type ToControl =
  /** The first: load what you consist of, read the configuration, and say that you are prepared. */
  | { readonly kind: 'prepare'; readonly nameHashKey: NameHashKey }
  /** The data directory is yours. */
  | ({ readonly kind: 'begin' } & Beginning)
  /** The answer to `open`. */
  | {
      readonly kind: 'opened'
      readonly bound: readonly ListenAddress[]
      readonly backend: ChosenBackend
      readonly skipped: readonly string[]
    }
  | { readonly kind: 'refused'; readonly code: string; readonly message: string }
  /** Bears a connection to a process that answers; it is to be given all that is served. */
  | { readonly kind: 'link'; readonly dataPlane: number }
  | { readonly kind: 'restarts'; readonly restarts: Restarts }
  /** @property keepsAnswering the data plane goes on without this control plane */
  | { readonly kind: 'stop'; readonly keepsAnswering: boolean }

export type FromControl =
  | SignOfLife
  /** It has all that it needs to begin, but for the data directory. */
  | { readonly kind: 'prepared'; readonly version: string }
  /** It can't do what it was started for, and ends. */
  | { readonly kind: 'failed'; readonly message: string }
  /** There is something to serve. */
  | { readonly kind: 'open'; readonly connections: number }
  /** The data plane of this number serves what it was given. From here on the control plane is started again when it ends. */
  | { readonly kind: 'serving'; readonly dataPlane: number }
  /** The connection to the data plane of this number has ended: another one is made while both live. */
  | { readonly kind: 'parted'; readonly dataPlane: number }
  /** The data plane of this number does not do what it is told: it is replaced. */
  | { readonly kind: 'deaf'; readonly dataPlane: number }
  /** Where HTTP is. */
  | { readonly kind: 'bound'; readonly http: ListenAddress }
  /** It has done all that a start is for: every member has been probed. */
  | { readonly kind: 'ready' }
