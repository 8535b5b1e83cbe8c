/**
 * A small file system in memory in the place of a folder, with what the folder had in it, for tests that fill it: in a mount namespace
 * of its own, which those that run `through` it share. Nobody else sees it, and it is gone with the last of them.
 */
import { execFileSync } from 'node:child_process'
import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Owner } from './postgres-server.ts'
import { startProgram } from './program.ts'

export interface SmallDisk extends AsyncDisposable {
  /** A command that runs the rest of its command line where the disk is, and as somebody if that is said. */
  through(owner?: Owner | null): readonly string[]
  /** Writes until nothing more can be written, also over what has been freed since the last time. */
  fill(): void
  /** Gives back what `fill` took. */
  free(): void
}

/** Why there can be none here; false when there can. */
export function withoutSmallDisks(): string | false {
  try {
    execFileSync('unshare', ['--mount', 'sh', '-c', 'mount -t tmpfs -o size=64k tmpfs /mnt'], {
      stdio: 'ignore',
    })
    return false
  } catch {
    return 'file systems can not be mounted here'
  }
}

/** @param folder which exists; what others have open in it stays where it was */
export async function openSmallDisk(folder: string, mebibytes: number): Promise<SmallDisk> {
  const script = `mount -t tmpfs -o size=${mebibytes}m tmpfs /mnt && cp -a "$0/." /mnt/ && chmod --reference="$0" /mnt &&
    chown --reference="$0" /mnt && mount --move /mnt "$0" && echo mounted && exec sleep infinity`
  const keeper = startProgram('unshare', ['--mount', 'sh', '-c', script, folder])
  await keeper.said(/mounted/)
  // As the keeper sees it.
  const filling = join(`/proc/${keeper.pid}/root`, folder, 'filling')
  return {
    through: (owner = null) => [
      ...['nsenter', '--mount', '--target', String(keeper.pid)],
      ...(owner === null ? [] : ['--setuid', String(owner.uid), '--setgid', String(owner.gid)]),
    ],
    fill: () => fill(filling),
    free: () => rmSync(filling, { force: true }),
    [Symbol.asyncDispose]: () => keeper.stop('SIGKILL'),
  }
}

function fill(path: string): void {
  const file = openSync(path, 'a')
  const zeros = Buffer.alloc(2 ** 20)
  try {
    for (;;) writeSync(file, zeros)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  } finally {
    closeSync(file)
  }
}
