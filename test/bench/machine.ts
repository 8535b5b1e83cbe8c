/** What the figures were measured on. */
import { cpus, release, totalmem } from 'node:os'

export interface Machine {
  readonly date: string
  readonly processor: string
  readonly cores: number
  readonly memoryGiB: number
  readonly kernel: string
  readonly node: string
}

export function describeMachine(allowed: readonly number[]): Machine {
  return {
    date: new Date().toISOString().slice(0, 10),
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: allowed.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
  }
}

export function machineLine({ date, processor, cores, memoryGiB, kernel, node }: Machine): string {
  return `${date}, ${cores} cores of ${processor}, ${memoryGiB} GiB, Linux ${kernel}, Node ${node}`
}
