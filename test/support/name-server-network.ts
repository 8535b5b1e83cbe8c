/**
 * A network of its own in which name servers listen at port 53 of public addresses, a root among them: a namespace of the Linux kernel. Nothing
 * that is sent in it gets out; by one more address its HTTP servers are reached from here.
 */
import { execFile, spawnSync } from 'node:child_process'
import { promisify } from 'node:util'
import { findProgram } from './program.ts'

const run = promisify(execFile)
const ipProgram = findProgram('ip') ?? 'ip'
const ip = (...args: string[]) => run(ipProgram, args)

export interface NameServerNetwork extends AsyncDisposable {
  /** Runs the rest of a command line in it. */
  readonly through: readonly string[]
  /** By which it is reached from here. */
  readonly address: string
}

let networks = 0

/** @param addresses in it, of both families, with no server at them yet */
export async function startNameServerNetwork(addresses: readonly string[]): Promise<NameServerNetwork> {
  const id = `${process.pid}n${++networks}`
  const [namespace, here, there] = [`pooldns-${id}`, `pn${id}a`, `pn${id}b`]
  // Of those for benchmarks (RFC 2544 appendix C.2.2), which nobody routes; the other half than `network.ts` has.
  const prefix = `198.19.${(process.pid + networks * 64) % 256}`
  const remove = () => void spawnSync(ipProgram, ['netns', 'del', namespace])
  process.once('exit', remove)
  await using stack = new AsyncDisposableStack()
  stack.defer(() => {
    process.removeListener('exit', remove)
    remove()
  })
  await ip('netns', 'add', namespace)
  await ip('link', 'add', here, 'type', 'veth', 'peer', 'name', there, 'netns', namespace)
  await ip('addr', 'add', `${prefix}.254/24`, 'dev', here)
  await ip('link', 'set', here, 'up')
  await ip('-n', namespace, 'addr', 'add', `${prefix}.1/24`, 'dev', there)
  await ip('-n', namespace, 'link', 'set', there, 'up')
  await ip('-n', namespace, 'link', 'set', 'lo', 'up')
  for (const address of addresses) {
    const bits = address.includes(':') ? 128 : 32
    await ip(
      '-n',
      namespace,
      'addr',
      'add',
      `${address}/${bits}`,
      'dev',
      'lo',
      ...(bits === 128 ? ['nodad'] : []),
    )
  }
  const rest = stack.move()
  return {
    through: [ipProgram, 'netns', 'exec', namespace],
    address: `${prefix}.1`,
    [Symbol.asyncDispose]: () => rest.disposeAsync(),
  }
}
