import { linux, type Syscalls } from '../listener/syscalls.ts'

/** struct __user_cap_header_struct, and two of __user_cap_data_struct: three words each. */
const headerWords = 2
const dataWords = 6

/**
 * Gives up what the calling thread, and every thread that it starts from now on, could do beyond what its user may: no capability
 * is left to it, though the user be root or have been given port 53, and no program that it would run could get one
 * (capabilities(7), PR_SET_NO_NEW_PRIVS). The sockets are there already, so it needs none. Those threads of Node that run no
 * JavaScript began earlier, and keep what they had.
 *
 * @returns whether the kernel agreed
 */
export function giveUpRights(syscalls: Pick<Syscalls, 'prctl' | 'capset' | 'address'>): boolean {
  // Large enough to lie outside the heap, where nothing moves it.
  const words = new Uint32Array(64)
  words[0] = linux.capabilityVersion
  const data = words.subarray(headerWords, headerWords + dataWords)
  const addressOf = (view: Uint32Array) =>
    syscalls.address(new Uint8Array(view.buffer, view.byteOffset, view.byteLength))
  const isBound = syscalls.prctl(linux.prSetNoNewPrivs, 1) === 0
  return syscalls.capset(addressOf(words), addressOf(data)) === 0 && isBound
}
