/**
 * Asks the kernel to run the calling thread in short turns. A thread that answers has little to do at a time, but must not
 * wait for a turn of the control plane to end, which by default is some milliseconds. Linux 6.12 and later give a thread
 * that asks for short turns an early one when it wakes (sched_setattr(2): `sched_runtime` of SCHED_OTHER is the length
 * of its slice); its share of the processor stays what it was. Earlier kernels take no notice, and a sandbox may forbid the
 * call: then things are as they were.
 */
import type { Syscalls } from './syscalls.ts'

/** The shortest that the kernel grants. */
const sliceNanoseconds = 100_000n
/** Of struct sched_attr as it was first: size, policy, flags, nice, priority, runtime, deadline, period. */
const attributeOctets = 48
const attributeAt = { size: 0, nice: 16, runtime: 24 } as const

/** @returns whether the kernel took it */
export function askForShortTurns(syscalls: Syscalls): boolean {
  const attributes = new DataView(new ArrayBuffer(attributeOctets))
  attributes.setUint32(attributeAt.size, attributeOctets, true)
  attributes.setBigUint64(attributeAt.runtime, sliceNanoseconds, true)
  return syscalls.schedSetattr(syscalls.address(new Uint8Array(attributes.buffer))) === 0
}
