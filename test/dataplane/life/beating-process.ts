/** A process that says that it is alive until nobody hears it any more. */
import { type Channel, sayAlive } from '../../../src/dataplane/life/child-signs.ts'

process.on('message', () => undefined)
sayAlive(process as Channel, () => true)
