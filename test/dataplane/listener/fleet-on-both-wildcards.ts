/** Starts a fleet on the wildcards of both families and prints what it bound and what it left out. */
import { Fleet } from '../../../src/dataplane/listener/fleet.ts'

const skipped: string[] = []
const fleet = new Fleet({
  listen: [
    { host: '0.0.0.0', port: 0 },
    { host: '::', port: 0 },
  ],
  udpWorkers: 1,
  udpBackend: 'auto',
  onRestart: (transport, reason) => console.error(transport, reason),
  onFallback: (reason) => console.error(reason),
  onSkipped: (message) => skipped.push(message),
})
await fleet.start()
const hosts = fleet.bound.map(({ host }) => host)
console.log(JSON.stringify({ hosts, udp: fleet.live('udp'), tcp: fleet.live('tcp'), skipped }))
await fleet.stop()
