/** How UDP is listened for: in batches of system calls (`udp-batch.ts`), or by node:dgram (`udp-dgram.ts`). */
import { ListenError } from './listener.ts'
import { loadSyscalls, type Syscalls } from './syscalls.ts'

export type UdpBackend = 'batch' | 'dgram'

export interface ChosenBackend {
  readonly name: UdpBackend
  readonly reason: string
}

/**
 * @param load the calls that batches need, or throws
 * @throws ListenError when batches are asked for and can't be had
 */
export function chooseBackend(
  udpBackend: 'auto' | UdpBackend,
  load: () => Syscalls = loadSyscalls,
): { readonly backend: ChosenBackend; readonly syscalls: Syscalls | null } {
  if (udpBackend === 'dgram')
    return { backend: { name: 'dgram', reason: 'it was asked for' }, syscalls: null }
  try {
    const syscalls = load()
    const reason = udpBackend === 'batch' ? 'it was asked for' : 'the system has what it needs'
    return { backend: { name: 'batch', reason }, syscalls }
  } catch (error) {
    const reason = `no batched UDP listener: ${(error as Error).message}`
    if (udpBackend === 'batch') throw new ListenError('ENOTSUP', reason)
    return { backend: { name: 'dgram', reason }, syscalls: null }
  }
}
