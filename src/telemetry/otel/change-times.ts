/** When what happened on the way of the last changes, and what stages a change that is served now went through. */

export interface Stage {
  readonly name: 'notify' | 'read' | 'compile' | 'publish' | 'acknowledge'
  readonly beganMs: number
  readonly endedMs: number
}

/** Steps that are remembered: of more that come while one change is on its way, the oldest are forgotten. */
const mostSteps = 200

interface Read {
  readonly revision: number
  readonly hintedMs: number | null
  readonly readMs: number
}

export class ChangeTimes {
  #hintedMs: number | null = null
  /** In their order. Bound: `mostSteps`. */
  readonly #reads: Read[] = []
  /** In their order. Bound: `mostSteps`. */
  readonly #compiled: { readonly revision: number; readonly atMs: number }[] = []
  /** When the last hand-over began that has ended. */
  #handedMs: number | null = null

  /** The first hint since the last read counts: it is what the next read was for. */
  hinted(atMs: number): void {
    this.#hintedMs ??= atMs
  }

  read(revision: number, readMs: number): void {
    this.#reads.push({ revision, hintedMs: this.#hintedMs, readMs })
    this.#hintedMs = null
    if (this.#reads.length > mostSteps) this.#reads.shift()
  }

  compiled(revision: number, atMs: number): void {
    this.#compiled.push({ revision, atMs })
    if (this.#compiled.length > mostSteps) this.#compiled.shift()
  }

  handedOver(beganMs: number): void {
    this.#handedMs = beganMs
  }

  /**
   * The stages of a change that has just been acknowledged, one after the other; of one that is not known the end is that of the one before.
   * A change without zones is compiled, which is to say that plans are made of it, when it is handed over.
   */
  stages(revision: number, writtenMs: number, servedMs: number): Stage[] {
    const read = this.#reads.find((each) => each.revision >= revision)
    const compiled = this.#compiled.find((each) => each.revision >= revision)
    const handedMs = this.#handedMs ?? servedMs
    const marks = [
      ['notify', read?.hintedMs ?? writtenMs],
      ['read', read?.readMs ?? writtenMs],
      ['compile', compiled?.atMs ?? handedMs],
      ['publish', handedMs],
      ['acknowledge', servedMs],
    ] as const
    let beganMs = writtenMs
    return marks.map(([name, atMs]) => {
      const stage = { name, beganMs, endedMs: Math.min(servedMs, Math.max(beganMs, atMs)) }
      beganMs = stage.endedMs
      return stage
    })
  }
}
