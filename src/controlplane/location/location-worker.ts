/** The location thread: has the table, and makes areas of it. See `location-thread.ts`. */
import { readFileSync, statSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { compileLocationMap } from '../../dataplane/image/location-map.ts'
import { beatByEvents, beatIn } from '../../dataplane/life/signs.ts'
import type { BeatingThread, CallAnswer } from '../threads/called-thread.ts'
import { geoAreas, nearestAreas } from './areas.ts'
import {
  emptyTable,
  joinTables,
  type LocationTable,
  placeOf,
  tableOf,
  withCentres,
} from './location-table.ts'
import type { AreaRequest, LoadedDatabase, LoadResult, ServiceMap, ToLocation } from './location-thread.ts'
import { Mmdb } from './mmdb.ts'

/** The largest databases that are sold have half of that. */
const maxFileOctets = 1024 ** 3

beatIn((workerData as BeatingThread).signs)
beatByEvents()

let table = emptyTable()
let hasLoaded = false
const say = (message: CallAnswer) => parentPort!.postMessage(message)

parentPort!.on('message', (message: ToLocation) => {
  if (message.kind === 'stop') return parentPort!.close()
  const { id } = message
  try {
    switch (message.kind) {
      case 'load':
        return say({ kind: 'done', id, result: load(message.paths) })
      case 'areas':
        return say({ kind: 'done', id, result: mapOf(message.request) })
      case 'place':
        return say({ kind: 'done', id, result: placeOf(table, message.address) })
      case 'countries': {
        const countries = message.addresses.map((address) => placeOf(table, address).country)
        return say({ kind: 'done', id, result: countries })
      }
    }
  } catch (error) {
    say({ kind: 'failed', id, message: (error as Error).message })
  }
})

function load(paths: readonly string[]): LoadResult {
  const tables: LocationTable[] = []
  const databases: LoadedDatabase[] = []
  const damaged: string[] = []
  for (const path of paths) {
    try {
      const { metadata, table } = read(path)
      tables.push(table)
      databases.push({
        path,
        databaseType: metadata.databaseType,
        builtAt: metadata.builtAt,
        ranges: table.ipv4.starts.length + table.ipv6.starts.length,
      })
    } catch (error) {
      damaged.push(`${path}: ${(error as Error).message}`)
    }
  }
  const taken = damaged.length === 0 || (!hasLoaded && tables.length > 0)
  if (taken) {
    table = withCentres(joinTables(tables))
    hasLoaded = true
  }
  return { databases, damaged, taken }
}

function read(path: string) {
  const { size } = statSync(path)
  if (size > maxFileOctets)
    throw new Error(`it has ${size} octets, and no more than ${maxFileOctets} are read`)
  const database = new Mmdb(readFileSync(path))
  return { metadata: database.metadata, table: tableOf(database) }
}

function mapOf(request: AreaRequest): ServiceMap {
  const { areas, ranges } =
    request.steer === 'geo' ? geoAreas(request.rules, table) : nearestAreas(request.choices, table)
  return { areas, image: compileLocationMap(ranges) }
}
