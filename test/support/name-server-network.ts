/**
 * A network of its own in which name servers listen at port 53 of public addresses, a root among them: a namespace of the Linux kernel. Nothing
 * that is sent in it gets out; by one more address its HTTP servers are reached from here.
 */
import { ip, ipProgram, startNamespace } from './namespace.ts'

export interface NameServerNetwork extends AsyncDisposable {
  /** Runs the rest of a command line in it. */
  readonly through: readonly string[]
  /** By which it is reached from here. */
  readonly address: string
}

/** @param addresses in it, of both families, with no server at them yet */
export async function startNameServerNetwork(addresses: readonly string[]): Promise<NameServerNetwork> {
  await using stack = new AsyncDisposableStack()
  const { name: namespace, cable: there, prefix } = stack.use(await startNamespace())
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
