/** The entry of the process that answers DNS. */
import { giveBackAfterStart } from '../image/reclaim.ts'
import { loadSyscalls } from '../listener/syscalls.ts'
import { DataPlaneProcess } from './data-plane-process.ts'
import { giveUpRights } from './least-rights.ts'

// First of all, so that it holds for every thread that answers. There are system calls wherever there is this process.
giveUpRights(loadSyscalls())
new DataPlaneProcess(process)
giveBackAfterStart()
