/** Text from a person that is not what its grammar asks for. The message says what is wrong; the caller adds where. */
export class TextError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'TextError'
  }
}
