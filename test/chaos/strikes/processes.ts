/** What is done to the processes and threads of the server. */
import { existsSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import type { LogLine } from '../../support/daemon.ts'
import { type Freezable, failingMs, type Way } from '../../support/freezing.ts'
import { runIn } from '../../support/inspector.ts'
import { patience } from '../../support/patience.ts'
import { type ProcessName, processesOf } from '../../support/processes.ts'
import type { Stage } from '../stage.ts'

export const kill =
  (...which: readonly ProcessName[]) =>
  async (stage: Stage) => {
    for (const each of which) for (const pid of processesOf(stage.daemon, each)) process.kill(pid, 'SIGKILL')
  }

/** Until somebody has seen to it. */
export const freeze = (which: ProcessName) => async (stage: Stage) => {
  const [pid] = processesOf(stage.daemon, which)
  process.kill(pid!, 'SIGSTOP')
  stage.struck()
  await gone(pid!)
}

/** Until it is found to hang; the next one of its name goes on. */
export const freezeThread = (thread: Freezable, way: Way) => async (stage: Stage) => {
  const from = stage.daemon.lines.length
  stage.freezer!.freeze(thread, way)
  stage.struck()
  await stage.daemon.line(saysHang, { from })
}

const hangingMs = 8000

const saysHang = ({ reason }: LogLine) => /^it hangs: no sign of life in/.test(String(reason))

/** Those who are told hang for a while. */
export async function hangSurroundings({ surroundings }: Stage): Promise<void> {
  surroundings!.hang()
  await delay(hangingMs)
  surroundings!.goOn()
}

/** Resolves when a process is no more: somebody has seen to it, or it ended by itself. */
async function gone(pid: number): Promise<void> {
  const signal = patience()
  while (existsSync(`/proc/${pid}`)) {
    signal.throwIfAborted()
    await delay(5)
  }
}

export async function restart(stage: Stage): Promise<void> {
  const ready = beginRestart(stage)
  stage.struck()
  await ready
}

/** What the next processes know of what is served may be of a write that is under way; then they are ready with the database. */
export async function restartDuring(stage: Stage, ms: number, end: () => Promise<void>): Promise<void> {
  const ready = beginRestart(stage)
  await delay(ms)
  await end()
  stage.struck()
  await ready
}

const beginRestart = ({ daemon }: Stage) => {
  const from = daemon.lines.length
  daemon.signal('SIGHUP')
  return daemon.line(({ msg }) => msg === 'ready', { from })
}

/** Nobody is there to be asked until it has been started again. */
export async function killAll(stage: Stage): Promise<void> {
  await stopAll(stage)
  await stage.startAgain()
  stage.ask()
}

export async function stopAll(stage: Stage): Promise<void> {
  const { daemon } = stage
  await stage.askNothing()
  const all = [daemon.pid, ...processesOf(daemon, 'control'), ...processesOf(daemon, 'data')]
  for (const pid of all) process.kill(pid, 'SIGKILL')
  stage.struck()
  await daemon.exited
  // The memory of a process that was killed takes a while to be given back, in which it has its files.
  for (const pid of all) await gone(pid)
}

/** Every allocation of a runaway, until the heap is full. */
const fillHeap = `const kept = []; setInterval(() => { for (let i = 0; i < 200; i++) kept.push(new Array(100_000).fill(i)) }, 1)`
const throwingMs = 2000
/** For so long whatever is called back by an emitter may throw, and whatever is awaited may fail. */
const throwEverywhere = `{
  const { EventEmitter } = require('node:events')
  const { emit } = EventEmitter.prototype
  EventEmitter.prototype.emit = function (...args) {
    const result = Reflect.apply(emit, this, args)
    if (Math.random() < 0.2) throw new Error('thrown on purpose')
    return result
  }
  setTimeout(() => { EventEmitter.prototype.emit = emit }, ${throwingMs})
}`

export async function fillControl(stage: Stage): Promise<void> {
  const [pid] = processesOf(stage.daemon, 'control')
  await runIn(stage.daemon, pid!, fillHeap)
  await gone(pid!)
}

export async function throwInControl(stage: Stage): Promise<void> {
  const [pid] = processesOf(stage.daemon, 'control')
  await runIn(stage.daemon, pid!, throwEverywhere)
  await delay(throwingMs)
}

/** The same there, which takes no debugger. */
export async function throwInData({ freezer }: Stage): Promise<void> {
  freezer!.freeze('data-plane', 'failing')
  await delay(failingMs)
}
