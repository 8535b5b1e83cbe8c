/**
 * Loaded before everything else in each process and thread of a daemon (`freezable`): breaks the thread whose name a file bears, as
 * a defect would. The file says how: it is `busy` for ever, or `waiting` for ever; `throwing`, it throws what nobody catches; `failing`, for
 * two seconds one call of an event emitter in five throws once its listeners have been called; `filling`, it fills its heap. Whoever takes the file away first is broken, so a successor of the same name is not.
 */
import { EventEmitter } from 'node:events'
import { mkdtempSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, parse } from 'node:path'
import { isMainThread, threadName } from 'node:worker_threads'

export type Way = 'busy' | 'waiting' | 'throwing' | 'failing' | 'filling'

/** Threads by their names; of the processes the main ones. */
export type Freezable =
  | 'control-plane'
  | 'data-plane'
  | 'dns-udp'
  | 'dns-tcp'
  | 'compile'
  | 'database'
  | 'signing'
  | 'dnstap'

/** What a daemon is started with so that its threads can be frozen. */
export interface Freezer extends Disposable {
  readonly nodeArgs: readonly string[]
  freeze(thread: Freezable, way: Way): void
  /** Takes that back. @returns whether nobody had been broken yet */
  spare(thread: Freezable): boolean
}

export function freezable(): Freezer {
  const folder = mkdtempSync(join(tmpdir(), 'pooldns-freezing-'))
  const url = new URL(import.meta.url)
  url.searchParams.set('folder', folder)
  return {
    nodeArgs: ['--import', url.href],
    freeze: (thread, way) => {
      // Whole at once: it may be read in the midst of this.
      const file = join(folder, thread)
      writeFileSync(`${file}.new`, way)
      renameSync(`${file}.new`, file)
    },
    spare: (thread) => {
      try {
        unlinkSync(join(folder, thread))
        return true
      } catch {
        return false
      }
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  }
}

const lookEveryMs = 20
export const failingMs = 2000

/** Entries of two processes have the same name. */
const processName = (entry: string) =>
  /dataplane.process.main\./.test(entry) ? 'data-plane' : parse(entry).name

function fail(): void {
  const { emit } = EventEmitter.prototype
  EventEmitter.prototype.emit = function (...args: Parameters<typeof emit>) {
    const result = Reflect.apply(emit, this, args)
    // What is thrown while an error that nobody caught is heard of ends a process, whatever it would do about it.
    const isAboutErrors = args[0] === 'uncaughtException' || args[0] === 'uncaughtExceptionMonitor'
    if (!isAboutErrors && Math.random() < 0.2) throw new Error('thrown on purpose')
    return result
  }
  setTimeout(() => {
    EventEmitter.prototype.emit = emit
  }, failingMs)
}

/** With what lives, a little at a time, as a list that nobody bounds. */
function fill(): never {
  const kept: object[] = []
  for (;;) kept.push({ of: kept.length, and: [kept.length] })
}

function watchFolder(folder: string): void {
  const file = join(folder, isMainThread ? processName(process.argv[1]!) : (threadName ?? ''))
  const look = () => {
    let way: string
    try {
      way = readFileSync(file, 'latin1')
      unlinkSync(file)
    } catch {
      return
    }
    if (way === 'busy') for (;;);
    if (way === 'throwing') throw new Error('thrown on purpose')
    if (way === 'filling') fill()
    if (way === 'failing') {
      fail()
      return
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  }
  setInterval(look, lookEveryMs).unref()
  // A worker that answers in batches has no event loop; this it calls in each of its turns.
  const { load } = Atomics
  if (threadName === 'dns-udp')
    Atomics.load = ((...args: Parameters<typeof load>) => {
      look()
      return load(...args)
    }) as typeof load
}

const folder = new URL(import.meta.url).searchParams.get('folder')
if (folder !== null) watchFolder(folder)
