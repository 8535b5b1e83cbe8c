/** Text from a person that is not what its grammar asks for. The message says what is wrong; the caller adds where. */
export class TextError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'TextError'
  }
}

/** Runs `work`, with `what` put before the message of a TextError. */
export function naming<T>(what: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof TextError) throw new TextError(`${what}: ${error.message}`)
    throw error
  }
}
