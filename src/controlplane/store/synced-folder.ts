/**
 * PGlite on a folder, with the promise of a server: a commit is on disk before anybody is told of it.
 *
 * PGlite starts PostgreSQL with `-F`, by which it asks for no file to be synced, and what it would ask leads nowhere: its file system
 * over a folder has no `fsync`. So PostgreSQL is started without that flag here, and the file system gets one. Its `fdatasync` is
 * a call of its own that does nothing, wherefore the log is synced by `fsync`.
 */
import { closeSync, fsyncSync, openSync } from 'node:fs'
import { PGlite } from '@electric-sql/pglite'
import { NodeFS } from '@electric-sql/pglite/nodefs'

/** What PostgreSQL is started with. */
export const syncedStart: string[] = [
  ...PGlite.defaultStartParams.filter((param) => param !== '-F'),
  ...['-c', 'wal_sync_method=fsync'],
]

/** What is used of the file system that Emscripten puts over a folder. */
interface FolderStream {
  /** The descriptor of a file; folders have none. */
  readonly nfd?: number
  readonly node: unknown
}

interface FolderSystem {
  readonly stream_ops: { fsync?: (stream: FolderStream) => number }
  realPath(node: unknown): string
}

/** Does what waits for the disk. */
export type Syncing = (work: () => void) => void

export class SyncedFolder extends NodeFS {
  readonly #syncing: Syncing

  constructor(path: string, syncing: Syncing = (work) => work()) {
    super(path)
    this.#syncing = syncing
  }

  override async init(...[database, options]: Parameters<NodeFS['init']>): ReturnType<NodeFS['init']> {
    const { emscriptenOpts } = await super.init(database, options)
    const addSync = (module: { readonly FS: unknown }) => {
      const { NODEFS: system } = (module.FS as { filesystems: { NODEFS: FolderSystem } }).filesystems
      // PostgreSQL panics where a file can't be synced, and so does this thread.
      system.stream_ops.fsync = (stream) => {
        this.#syncing(() => sync(system, stream))
        return 0
      }
    }
    return {
      emscriptenOpts: { ...emscriptenOpts, preRun: [...[emscriptenOpts.preRun ?? []].flat(), addSync] },
    }
  }
}

function sync(system: FolderSystem, { nfd, node }: FolderStream): void {
  if (nfd !== undefined) {
    fsyncSync(nfd)
    return
  }
  const folder = openSync(system.realPath(node), 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}
