/** Which data plane this server has, and where what happens in it is told. */
import { ownFaultCode } from '../controlplane/model/own-fault.ts'
import { Fleet } from '../dataplane/listener/fleet.ts'
import { loadSyscalls } from '../dataplane/listener/syscalls.ts'
import type { Ground } from './announce.ts'
import type { DataPlane, DataPlaneEvents } from './data-plane.ts'
import { ImageStore } from './image-store/image-store.ts'
import { RemoteDataPlane } from './remote-data-plane.ts'

/** Made, not started. */
export function makeDataPlane(ground: Ground): DataPlane {
  const { config, descriptors, supervision } = ground
  const events = eventsOf(ground)
  if (supervision !== null)
    return new RemoteDataPlane(
      supervision,
      descriptors.dnsConnections,
      events,
      openStore(supervision.memory, ground),
    )
  return new Fleet({
    listen: config.dnsListen,
    udpWorkers: config.workers,
    connections: descriptors.dnsConnections,
    udpBackend: config.udpBackend,
    ...events,
  })
}

function openStore(memory: number | null, { log }: Ground): ImageStore | null {
  if (memory === null) return null
  try {
    return new ImageStore(memory, loadSyscalls())
  } catch (err) {
    log.warn(
      { err },
      'the memory for images can not be used: each process has its own copy of what is served',
    )
    return null
  }
}

function eventsOf({ log, announce, faults }: Ground): DataPlaneEvents {
  return {
    onError: (transport, error, count) => {
      if (ownFaultCode(error) === null) faults.internal(`dns ${transport}`, error, count)
      else faults.own('accept-dns', error.message)
    },
    onUnreadable: ({ kind, error }) => faults.internal(`image ${kind}`, error),
    onRestart: (transport, reason) => {
      if (ownFaultCode(new Error(reason)) !== null) faults.own('thread', reason)
      announce({ kind: 'worker-restarted', transport, reason })
    },
    onTapRestart: (reason) => announce({ kind: 'thread-died', thread: 'dnstap', reason }),
    onFallback: (reason) => log.error({ reason }, 'batched UDP failed; listening with node:dgram instead'),
    onSkipped: (address) => log.warn({ address }, 'address left out: the host has no such family'),
  }
}
