/**
 * Runs the embedded database, takes from its process the right to start threads, ends the database's, and uses it, which needs a new one;
 * gives the right back, and uses it until that can be done. Writes why it could not on standard output. The data directory is the first
 * argument. Not for root, who may always.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { EmbeddedDatabase } from '../../../src/controlplane/store/embedded-database.ts'

/** Sets how many threads this user may have, as far as this process asks for more, when it is told to: who has none starts no process. */
function limiter(threads: string) {
  const script = `read go && exec prlimit --pid ${process.pid} --nproc=${threads}:`
  const child = spawn('sh', ['-c', script], { stdio: ['pipe', 'inherit', 'inherit'] })
  return async () => {
    const exited = once(child, 'exit')
    child.stdin.end('go\n')
    const [code] = await exited
    if (code !== 0) throw new Error(`prlimit ended with ${code}`)
  }
}

const take = limiter('1')
const give = limiter('4096')
const database = new EmbeddedDatabase(process.argv[2]!, false)
await database.running()

/** Why it does not run; null when it does. */
const why = () =>
  database.running().then(
    () => null,
    (error: Error) => error.message,
  )

await take()
database.giveUp('to need another thread')
let without = await why()
while (without === null || !/ERR_WORKER_INIT_FAILED|EAGAIN/.test(without)) {
  await delay(20)
  without = await why()
}
await give()
// There is a pause between two tries.
while ((await why()) !== null) await delay(20)
await database.stop()
writeSync(1, without)
process.exit(0)
