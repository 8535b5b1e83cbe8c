/**
 * A namespace of the Linux kernel at the other end of a virtual cable: nothing that is sent in it gets out. Its addresses are of a network for
 * benchmarks (RFC 2544 appendix C.2.2), which nobody routes.
 */
import { execFile, spawnSync } from 'node:child_process'
import { promisify } from 'node:util'
import { findProgram } from './program.ts'

const run = promisify(execFile)
export const ipProgram = findProgram('ip') ?? 'ip'
export const ip = (...args: string[]) => run(ipProgram, args)

export interface Namespace extends AsyncDisposable {
  readonly name: string
  /** The end of the cable in it; it has no address yet, and is down. */
  readonly cable: string
  /** Three octets of its addresses; this end of the cable has 254. */
  readonly prefix: string
}

let namespaces = 0

/** Why there can be none here; false when there can. */
export async function withoutNamespaces(): Promise<string | false> {
  if (findProgram('ip') === null) return 'not installed: ip'
  const name = `pooldns-try-${process.pid}`
  try {
    await ip('netns', 'add', name)
    await ip('netns', 'del', name)
    return false
  } catch (error) {
    return `no network namespaces: ${(error as Error).message.trim().split('\n').at(-1)}`
  }
}

export async function startNamespace(): Promise<Namespace> {
  const id = `${process.pid}x${++namespaces}`
  const [name, here, cable] = [`pooldns-${id}`, `pd${id}a`, `pd${id}b`]
  // Those of processes that run at the same time differ.
  const nth = (process.pid + namespaces * 64) % 512
  const prefix = `198.${18 + (nth >> 8)}.${nth & 255}`
  // A namespace takes its end of the cable along, and so the other one.
  const remove = () => void spawnSync(ipProgram, ['netns', 'del', name])
  process.once('exit', remove)
  await using stack = new AsyncDisposableStack()
  stack.defer(() => {
    process.removeListener('exit', remove)
    remove()
  })
  await ip('netns', 'add', name)
  await ip('link', 'add', here, 'type', 'veth', 'peer', 'name', cable, 'netns', name)
  await ip('addr', 'add', `${prefix}.254/24`, 'dev', here)
  await ip('link', 'set', here, 'up')
  const rest = stack.move()
  return { name, cable, prefix, [Symbol.asyncDispose]: () => rest.disposeAsync() }
}
