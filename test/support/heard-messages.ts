/**
 * Writes down what the threads of a process say to each other: preloaded (`--import`) into each of them, it appends the octets of every
 * message, and of what threads are started with, to files in the folder that stands behind `?into=` in its URL.
 */
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import * as threads from 'node:worker_threads'

/** The option of node. */
export function hearingOption(folder: string): string {
  return `--import=${import.meta.url.replace(/\?.*/, '')}?into=${encodeURIComponent(pathToFileURL(folder).href)}`
}

const into = new URL(import.meta.url).searchParams.get('into')
if (into !== null) listen(fileURLToPath(into))

function listen(folder: string): void {
  const path = join(folder, `${process.pid}-${threads.threadId}`)
  const hear = (value: unknown) => {
    const parts: Uint8Array[] = []
    collect(value, parts, new Set())
    if (parts.length > 0) appendFileSync(path, Buffer.concat(parts))
  }
  for (const { prototype } of [threads.Worker, threads.MessagePort]) {
    const { postMessage } = prototype
    prototype.postMessage = function (value: unknown, ...rest: never[]) {
      hear(value)
      return postMessage.call(this, value, ...rest)
    }
  }
  // What this thread was started with.
  hear(threads.workerData)
  hear(Object.entries(process.env))
}

/** The octets of all that a value holds. */
function collect(value: unknown, parts: Uint8Array[], seen: Set<object>): void {
  if (typeof value === 'string') parts.push(Buffer.from(`${value}\n`))
  if (typeof value !== 'object' || value === null || seen.has(value)) return
  seen.add(value)
  if (ArrayBuffer.isView(value)) parts.push(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))
  else if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer)
    parts.push(new Uint8Array(value))
  else {
    const held = value instanceof Map ? [...value] : value instanceof Set ? [...value] : Object.values(value)
    // Octets as an array of numbers.
    if (held.every((each) => typeof each === 'number')) parts.push(Uint8Array.from(held as number[]))
    else for (const each of held) collect(each, parts, seen)
  }
}
