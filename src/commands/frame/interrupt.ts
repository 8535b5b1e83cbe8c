/** Ctrl-C as an end like any other, for commands that go on until they are told to stop. */

export interface Interrupt extends Disposable {
  readonly signal: AbortSignal
}

/** Aborts by SIGINT or SIGTERM; a second one ends the process as it always does. */
export function onInterrupt(): Interrupt {
  const ended = new AbortController()
  const names = ['SIGINT', 'SIGTERM'] as const
  const end = () => {
    dispose()
    ended.abort()
  }
  const dispose = () => {
    for (const name of names) process.removeListener(name, end)
  }
  for (const name of names) process.once(name, end)
  return { signal: ended.signal, [Symbol.dispose]: dispose }
}
