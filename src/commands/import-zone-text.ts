/** What an import says: its progress, what it found, and what it came to. */
import type { ZoneImport } from '../controlplane/zonefile/import.ts'
import { printable } from '../terminal-text.ts'

/** What an import came to; the `status` that a PUT of a zone file replies. */
export type ImportStatus = Pick<ZoneImport, 'changed' | 'rrsets' | 'warnings'> & { readonly serial: number }

export function summary(zone: string, { changed, serial, rrsets }: ImportStatus, dryRun: boolean): string {
  const state = `${rrsets} RRsets, serial ${serial}`
  if (dryRun) return `zone ${zone} ${changed ? 'would change' : 'would stay as it is'}: ${state}`
  return `zone ${zone} ${changed ? 'is imported' : 'is the same already'}: ${state}`
}

/** `FILE:LINE:COLUMN: owner TYPE: message`, as editors know it. */
export function problemLine(file: string, path: string, message: string): string {
  const place = /^line (\d+), column (\d+)$/.exec(path)
  if (place !== null) return `${file}:${place[1]}:${place[2]}: ${message}`
  return `${file}: ${path === '' ? '' : `${path}: `}${message}`
}

export function warningLine(
  file: string,
  { line, column, owner, type, message }: ImportStatus['warnings'][number],
): string {
  return `${file}:${line}:${column}: warning: ${owner} ${type}: ${message}`
}

const progressEveryMs = 1000

/** One line on standard error, each second. */
export class Progress implements Disposable {
  readonly #name: string
  readonly #timer: NodeJS.Timeout | undefined
  #octets = 0
  #size: number | null = null
  #rrs = 0

  constructor(name: string, enabled: boolean) {
    this.#name = name
    if (enabled) this.#timer = setInterval(() => this.#print(), progressEveryMs)
  }

  async *watch(source: AsyncIterable<Uint8Array>, size: number | null): AsyncGenerator<Uint8Array> {
    this.#size = size
    for await (const chunk of source) {
      this.#octets += chunk.length
      yield chunk
    }
  }

  stored(rrs: number): void {
    this.#rrs = rrs
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }

  #print(): void {
    const size = this.#size
    const part = size === null || size === 0 ? '' : `, ${Math.floor((100 * this.#octets) / size)} %`
    const rrs = this.#rrs === 0 ? '' : `, ${this.#rrs} RRs`
    const megabytes = (this.#octets / 1e6).toFixed(1)
    process.stderr.write(`${printable(this.#name)}: ${megabytes} MB read${part}${rrs}\n`)
  }
}
