/**
 * Views of the buffers that a transport writes its responses into, one by one and from the first again. A view moves several octets at
 * once, but making one for each response would be garbage, and a look into a map costs what that saves: so the last buffer, the
 * one behind it and the first are tried before the others.
 */

/** More than datagrams in a batch. */
const maxBuffers = 256

export class BufferViews {
  /** Bounded by `maxBuffers`; beyond it all are forgotten. */
  #buffers: Uint8Array[] = []
  #views: DataView[] = []
  #last = 0

  of(buffer: Uint8Array): DataView {
    const buffers = this.#buffers
    const last = this.#last
    if (buffers[last] === buffer) return this.#views[last]!
    this.#last = buffers[last + 1] === buffer ? last + 1 : this.#find(buffer)
    return this.#views[this.#last]!
  }

  #find(buffer: Uint8Array): number {
    const known = this.#buffers.indexOf(buffer)
    if (known >= 0) return known
    if (this.#buffers.length === maxBuffers) {
      this.#buffers = []
      this.#views = []
    }
    this.#views.push(new DataView(buffer.buffer, buffer.byteOffset, buffer.length))
    return this.#buffers.push(buffer) - 1
  }
}
