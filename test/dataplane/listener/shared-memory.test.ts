import { closeSync, fstatSync, ftruncateSync, writeSync } from 'node:fs'
import t from 'tap'
import { memoryAt, memoryLayout } from '../../../src/dataplane/image/image-memory.ts'
import {
  copyImage,
  createMemory,
  mapMemory,
  readOnly,
} from '../../../src/dataplane/listener/shared-memory.ts'
import { linux, type Syscalls } from '../../../src/dataplane/listener/syscalls.ts'
import { placeZone, share, syscalls } from '../shared.ts'

/** The calls of the system, of which some fail. */
const failing = (calls: Partial<Syscalls>): Syscalls => ({ ...syscalls, errno: () => 12, ...calls })

t.test('it takes no memory, and nobody can change its size', async (t) => {
  const fd = createMemory(syscalls)
  t.teardown(() => closeSync(fd))
  const { size, blocks } = fstatSync(fd)
  t.same([size, blocks], [memoryLayout.octets, 0])
  t.throws(() => ftruncateSync(fd, 0), { code: 'EPERM' })
  t.throws(() => ftruncateSync(fd, 2 * memoryLayout.octets), { code: 'EPERM' })
})

t.test('to be read only, nobody can write to it', async (t) => {
  const shared = share(t)
  const fd = readOnly(shared.fd)
  t.teardown(() => closeSync(fd))
  const image = await placeZone(shared, '192.0.2.1')
  t.throws(() => writeSync(fd, Buffer.from([1]), 0, 1, image.at), { code: 'EBADF' })
  t.equal(memoryAt(mapMemory(syscalls, fd)).isWhole(image), true)
  t.equal(readOnly(-1), -1, 'the same where there is no /proc')
})

t.test('older kernels know no files that can not be run', async (t) => {
  const flags: number[] = []
  const fd = createMemory(
    failing({
      memfdCreate: (name, wanted) => {
        flags.push(wanted)
        return wanted & linux.mfdNoexecSeal ? -1 : syscalls.memfdCreate(name, wanted)
      },
    }),
  )
  t.ok(fd > 0)
  t.same(flags, [11, 3])
  closeSync(fd)
})

t.test('what the system refuses is said, and nothing is left open', async (t) => {
  t.throws(() => createMemory(failing({ memfdCreate: () => -1 })), { message: /^memfd_create ENOMEM/ })
  const opened: number[] = []
  const closed: number[] = []
  const counting: Partial<Syscalls> = {
    memfdCreate: (name, flags) => {
      opened.push(syscalls.memfdCreate(name, flags))
      return opened.at(-1)!
    },
    close: (fd) => {
      closed.push(fd)
      return syscalls.close(fd)
    },
  }
  t.throws(() => createMemory(failing({ ...counting, fcntl: () => -1 })), { message: /^fcntl ENOMEM/ })
  t.throws(() => createMemory(failing({ ...counting, mmap: () => linux.mapFailed })), {
    message: /^mmap ENOMEM/,
  })
  t.equal(opened.length, 2)
  t.same(closed, opened)
})

t.test('an image can be copied out of it, unless it is cut short', async (t) => {
  const shared = share(t)
  const image = await placeZone(shared, '192.0.2.1')
  t.same(new Uint8Array(copyImage(shared.fd, image)), shared.memory.bytes(image))
  t.throws(() => copyImage(shared.fd, { at: memoryLayout.octets - 64, octets: 128, checksum: 0 }), {
    message: /is cut short$/,
  })
})
