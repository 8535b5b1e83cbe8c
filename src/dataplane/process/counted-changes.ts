/**
 * Counters of the workers from one process to another: those cells that have changed since they were last told, for most never do.
 */
import { allocateCounters } from '../counters.ts'
import type { Transport } from '../listener/transports.ts'
import type { CountedCells } from './messages.ts'

/** On the side of the workers; one for each conversation. */
export class CountedChanges {
  /** What was told last, by the buffer of the worker. Bounded by the workers. */
  readonly #told = new Map<SharedArrayBuffer, Float64Array>()

  /** What has changed of the counters of a transport's workers. */
  take(transport: Transport, buffers: readonly SharedArrayBuffer[]): CountedCells[] {
    return buffers.map((buffer, worker) => {
      const told = this.#told.get(buffer) ?? new Float64Array(buffer.byteLength / 8)
      this.#told.set(buffer, told)
      const now = new Float64Array(buffer)
      const cells: number[] = []
      for (let cell = 0; cell < now.length; cell++) if (now[cell] !== told[cell]) cells.push(cell)
      const values = Float64Array.from(cells, (cell) => now[cell]!)
      for (const [index, cell] of cells.entries()) told[cell] = values[index]!
      return { transport, worker, cells: Uint32Array.from(cells), values }
    })
  }
}

/** On the other side: counters that read as those of the workers. */
export class CountedMirror {
  readonly #buffers: Record<Transport, SharedArrayBuffer[]> = { udp: [], tcp: [] }

  buffers(transport: Transport): readonly SharedArrayBuffer[] {
    return this.#buffers[transport]
  }

  put(counted: readonly CountedCells[]): void {
    for (const { transport, worker, cells, values } of counted) {
      const buffer = this.#buffers[transport][worker] ?? allocateCounters()
      this.#buffers[transport][worker] = buffer
      const mirror = new Float64Array(buffer)
      for (const [index, cell] of cells.entries()) mirror[cell] = values[index]!
    }
  }
}
