/**
 * Preloaded into a process and its threads: makes sockets of IPv6 fail as they do on a host that has no such family.
 * The real thing would take a kernel of another build.
 */
import { Socket } from 'node:dgram'
import { Server } from 'node:net'

const failure = () =>
  Object.assign(new Error('bind EAFNOSUPPORT :::0'), { code: 'EAFNOSUPPORT', syscall: 'bind', address: '::' })

const bind = Socket.prototype.bind as (this: Socket, ...args: unknown[]) => Socket
Object.assign(Socket.prototype, {
  bind(this: Socket, options: { address: string }, ...rest: unknown[]) {
    if (options.address !== '::') return bind.call(this, options, ...rest)
    queueMicrotask(() => this.emit('error', failure()))
    return this
  },
})

const listen = Server.prototype.listen as (this: Server, ...args: unknown[]) => Server
Object.assign(Server.prototype, {
  listen(this: Server, options: { host: string }, ...rest: unknown[]) {
    if (options.host !== '::') return listen.call(this, options, ...rest)
    queueMicrotask(() => this.emit('error', failure()))
    return this
  },
})
