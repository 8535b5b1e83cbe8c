/**
 * The entry of the process that decides what is answered: everything but the sockets of DNS and those who answer by them. It is a
 * child of the supervisor, gets its command line and environment, and ends when the supervisor says so or is gone.
 */
import '../umask.ts'
import { keepCompiledCode } from '../compile-cache.ts'
import { shareNameHashKey } from '../dataplane/wire/name-hash-key-sharing.ts'
import { tellFailure } from '../failure.ts'
import { Supervised } from './supervised.ts'

// A terminal, and systemd, give signals to every process; the supervisor says what they mean.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined)

const supervised = new Supervised()
// Before anything is loaded that hashes names.
shareNameHashKey(await supervised.nameHashKey)
keepCompiledCode()
try {
  const { runControlPlane } = await import('./run-control-plane.ts')
  await runControlPlane(process.argv.slice(2), process.env, supervised)
} catch (error) {
  supervised.failed(tellFailure(error))
}
if (process.connected) process.disconnect()
