/**
 * A network of its own for members: a namespace of the Linux kernel at the other end of a virtual cable. Its members answer
 * HTTP; the cable can be pulled, and a member taken off the network.
 */
import { execFile, spawnSync } from 'node:child_process'
import { promisify } from 'node:util'
import { findProgram, startProgram } from './program.ts'

const run = promisify(execFile)
const ipProgram = findProgram('ip') ?? 'ip'
const ip = (...args: string[]) => run(ipProgram, args)

/** Where members listen. */
export const memberPort = 8080

const server = `require('node:http').createServer((_, response) => response.end('ok'))
  .listen(${memberPort}, '0.0.0.0', () => console.log('listening'))`

export interface Network extends AsyncDisposable {
  /** The address of a member, from 1 on. */
  address(member: number): string
  /** Pulls the cable: nobody is reached any more, and nobody says so. */
  pull(): Promise<void>
  plug(): Promise<void>
  /** Takes one member off the network. */
  lose(member: number): Promise<void>
}

let networks = 0

/** Why there can be no such network here; false when there can. */
export async function withoutNetworks(): Promise<string | false> {
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

/** Addresses of a network for benchmarks (RFC 2544 appendix C.2.2), which nobody routes. At most 200 members. */
export async function startNetwork(members: number): Promise<Network> {
  const id = `${process.pid}x${++networks}`
  const [namespace, here, there] = [`pooldns-${id}`, `pd${id}a`, `pd${id}b`]
  const prefix = `198.18.${(process.pid + networks * 64) % 256}`
  const address = (member: number) => `${prefix}.${member}`
  // A namespace takes its end of the cable along, and so the other one.
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
  for (let member = 1; member <= members; member++) {
    await ip('-n', namespace, 'addr', 'add', `${address(member)}/24`, 'dev', there)
  }
  await ip('-n', namespace, 'link', 'set', there, 'up')
  const program = startProgram('ip', ['netns', 'exec', namespace, process.execPath, '-e', server])
  stack.use(program)
  await program.said(/listening/)
  const rest = stack.move()
  return {
    address,
    // The far end, so that packets go on being sent into the cable, and not by another way.
    pull: async () => void (await ip('-n', namespace, 'link', 'set', there, 'down')),
    plug: async () => void (await ip('-n', namespace, 'link', 'set', there, 'up')),
    lose: async (member) => {
      await ip('-n', namespace, 'addr', 'del', `${address(member)}/24`, 'dev', there)
    },
    [Symbol.asyncDispose]: () => rest.disposeAsync(),
  }
}
