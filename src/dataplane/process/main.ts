/** The entry of the process that answers DNS. */
import { DataPlaneProcess } from './data-plane-process.ts'

new DataPlaneProcess(process)
