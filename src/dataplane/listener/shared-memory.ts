/** The memory that processes share (`image-memory.ts`), as the kernel has it: a file without a name, and mappings of it. */
import { ftruncateSync, openSync, readSync } from 'node:fs'
import { type MappedMemory, memoryLayout, type PlacedImage } from '../image/image-memory.ts'
import { linux, SyscallError, type Syscalls } from './syscalls.ts'

/**
 * Makes one that is empty.
 *
 * @returns its descriptor
 * @throws Error when the kernel, or a limit of this process, does not let us
 */
export function createMemory(syscalls: Syscalls): number {
  const { mfdCloexec, mfdAllowSealing, mfdNoexecSeal } = linux
  const flags = mfdCloexec | mfdAllowSealing
  // Kernels before 6.3 know no files that can't be run; some later ones insist on them.
  let fd = syscalls.memfdCreate('pooldns-images', flags | mfdNoexecSeal)
  if (fd < 0) fd = syscalls.memfdCreate('pooldns-images', flags)
  if (fd < 0) throw new SyscallError('memfd_create', syscalls.errno())
  try {
    ftruncateSync(fd, memoryLayout.octets)
    if (syscalls.fcntl(fd, linux.addSeals, linux.sealsOfSize) < 0)
      throw new SyscallError('fcntl', syscalls.errno())
    // What this process can't map, those that it starts can't either.
    mapMemory(syscalls, fd)
    return fd
  } catch (error) {
    syscalls.close(fd)
    throw error
  }
}

/** Another descriptor of it, to read only; the same where /proc is not there. */
export function readOnly(fd: number): number {
  try {
    return openSync(`/proc/self/fd/${fd}`, 'r')
  } catch {
    return fd
  }
}

/** @throws SyscallError when it can't be mapped */
export function mapMemory(syscalls: Syscalls, fd: number): MappedMemory {
  const { protRead, mapShared, mapFailed } = linux
  const address = syscalls.mmap(0, memoryLayout.octets, protRead, mapShared, fd, 0)
  if (address === mapFailed) throw new SyscallError('mmap', syscalls.errno())
  return { address: Number(address) }
}

/** An image as a copy of this process, which can't map it. @throws Error when it is not all there */
export function copyImage(fd: number, { at, octets }: PlacedImage): SharedArrayBuffer {
  const image = new SharedArrayBuffer(octets)
  const bytes = new Uint8Array(image)
  for (let have = 0; have < octets; ) {
    const count = readSync(fd, bytes, have, octets - have, at + have)
    if (count === 0) throw new Error(`an image of ${octets} octets at ${at} is cut short`)
    have += count
  }
  return image
}
