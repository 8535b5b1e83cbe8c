/** A control plane, as the supervisor has it. */
import type { ChildProcess } from 'node:child_process'
import type { Strikes } from '../dataplane/life/watch.ts'
import type { End } from './children.ts'
import { WatchedChild } from './watched-child.ts'

export class ControlPlane extends WatchedChild {
  /** Of the code that it has loaded; null until it can begin. */
  version: string | null = null
  /** What it said of why it ends. */
  lastWords: string | null = null
  /** The descriptor of the memory that processes share, as it has it. */
  readonly memory: number | null

  constructor(memory: number | null, child: ChildProcess, strikes: Strikes) {
    super(child, strikes, true)
    this.memory = memory
  }
}

/** Why one ended that was to take the place of another. */
export function reasonOf({ lastWords }: ControlPlane, { code, signal, err }: End): string {
  const how = err?.message ?? (signal === null ? `exit code ${code}` : `signal ${signal}`)
  return `the next control plane ended (${how})${lastWords === null ? '' : `: ${lastWords}`}`
}
