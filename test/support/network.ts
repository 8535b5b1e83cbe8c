/**
 * A network of its own for members: a namespace of the Linux kernel at the other end of a virtual cable. Its members answer
 * HTTP; the cable can be pulled, and a member taken off the network.
 */
import { ip, startNamespace } from './namespace.ts'
import { startProgram } from './program.ts'

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

/** At most 200 members. */
export async function startNetwork(members: number): Promise<Network> {
  await using stack = new AsyncDisposableStack()
  const { name: namespace, cable: there, prefix } = stack.use(await startNamespace())
  const address = (member: number) => `${prefix}.${member}`
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
