/** A forwarder as a program, for networks of their own: from one address to another, both with port 53. */
import { startForwarder } from './forwarder.ts'

const [from, to] = process.argv.slice(2)
await startForwarder({ host: to!, port: 53 }, { host: from!, port: 53 })
console.log('started')
