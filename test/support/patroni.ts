/**
 * A cluster of three PostgreSQL servers that Patroni keeps, with an etcd of one node: all on loopback. Commits are synchronous and
 * strictly so: what was acknowledged is on two servers, so that it survives the loss of either. Leaders are found out in seconds.
 */
import { readFileSync } from 'node:fs'
import { chown, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { freePort } from './free-port.ts'
import { temporaryDataFolder } from './kept.ts'
import { patience } from './patience.ts'
import { findOwner, type Owner } from './postgres-server.ts'
import { missingPrograms, type Program, startProgram } from './program.ts'
import { findSystemHome } from './system-postgres.ts'

const password = 'not-a-secret'
const names = ['one', 'two', 'three'] as const

interface Member {
  readonly name: string
  readonly role: string
  readonly state: string
}

interface Node {
  readonly name: string
  readonly port: number
  readonly restPort: number
  readonly data: string
  readonly settings: string
}

/** Null when it can be started, else what is missing. */
export function withoutPatroni(): string | null {
  return findSystemHome() === null
    ? 'postgresql is not installed'
    : missingPrograms('patroni', 'etcd') || null
}

export class PatroniCluster implements AsyncDisposable {
  readonly #nodes: readonly Node[]
  readonly #owner: Owner | null
  readonly #running = new Map<string, Program>()
  readonly #owned: AsyncDisposableStack

  private constructor(nodes: readonly Node[], owner: Owner | null, owned: AsyncDisposableStack) {
    this.#nodes = nodes
    this.#owner = owner
    this.#owned = owned
    owned.defer(() => this.#stop())
  }

  /** Resolves when there is a leader, and the others follow it. */
  static async start(): Promise<PatroniCluster> {
    await using owned = new AsyncDisposableStack()
    const owner = findOwner()
    const folder = await temporaryDataFolder('pooldns-patroni-')
    owned.defer(() => rm(folder, { recursive: true, force: true }))
    const own = (path: string) => (owner === null ? undefined : chown(path, owner.uid, owner.gid))
    await own(folder)
    const etcdPort = await freePort()
    owned.use(await startEtcd(join(folder, 'etcd'), etcdPort, owner))
    const nodes: Node[] = []
    for (const name of names) {
      const home = join(folder, name)
      await mkdir(home)
      await own(home)
      const [port, restPort] = [await freePort(), await freePort()]
      const node = { name, port, restPort, data: join(home, 'data'), settings: join(home, 'patroni.json') }
      // YAML has JSON in it.
      await writeFile(node.settings, JSON.stringify(settingsOf(node, home, etcdPort)))
      await own(node.settings)
      nodes.push(node)
    }
    const cluster = new PatroniCluster(nodes, owner, owned.move())
    try {
      await cluster.whole()
      return cluster
    } catch (error) {
      await cluster[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Makes a database, and returns the URL that names all servers. */
  async createDatabase(name: string): Promise<string> {
    const { port } = await this.#leader()
    const leader = new pg.Client({ connectionString: urlOf([port], 'postgres') })
    await leader.connect()
    await leader.query(`create database ${name}`).finally(() => leader.end())
    return this.#urlOf(name)
  }

  /** SIGKILL to the leader: PostgreSQL, and Patroni that would start it again. */
  async killLeader(): Promise<void> {
    const leader = await this.#leader()
    const postmaster = postmasterOf(leader)
    const patroni = this.#running.get(leader.name)!
    this.#running.delete(leader.name)
    const stopped = patroni.stop('SIGKILL')
    process.kill(postmaster, 'SIGKILL')
    await stopped
  }

  /** Has another one lead, in good order: the leader becomes a standby. */
  async switchOver(): Promise<void> {
    const leader = await this.#leader()
    const response = await fetch(`http://127.0.0.1:${leader.restPort}/switchover`, {
      method: 'POST',
      body: JSON.stringify({ leader: leader.name }),
    })
    if (!response.ok) throw new Error(`no switchover: ${response.status} ${await response.text()}`)
  }

  /**
   * Nobody hears of the leader, though it is there: its processes are stopped. Once another one leads it comes back, and believes for a
   * moment that it is still the one.
   */
  async partitionLeader(): Promise<void> {
    const leader = await this.#leader()
    const postmaster = postmasterOf(leader)
    const frozen = [this.#running.get(leader.name)!.pid, postmaster, ...childrenOf(postmaster)]
    for (const pid of frozen) signal(pid, 'SIGSTOP')
    try {
      const limit = patience()
      for (;;) {
        limit.throwIfAborted()
        const members = await this.#members(leader.name)
        if (members.some(({ name, role }) => role === 'leader' && name !== leader.name)) return
        await delay(100)
      }
    } finally {
      for (const pid of frozen.reverse()) signal(pid, 'SIGCONT')
    }
  }

  /** Starts what was killed, and waits until one leads and the others follow, one of them synchronously. */
  async whole(): Promise<void> {
    for (const { name, settings } of this.#nodes) {
      if (this.#running.has(name)) continue
      this.#running.set(name, startProgram('patroni', [settings], { ...this.#owner }))
    }
    const limit = patience()
    for (;;) {
      const members = await this.#members()
      const of = (role: string) => members.filter((member) => member.role === role)
      // What all say of a member may be of before; what it says itself is of now.
      const own = await Promise.all(this.#nodes.map((node) => askItself(node)))
      const leading = own.filter((said) => said?.role === 'master' || said?.role === 'primary')
      const isSettled = own.every((said) => said?.state === 'running') && leading.length === 1
      if (isSettled && of('leader')[0]?.name === leading[0]!.name && of('sync_standby').length > 0) return
      if (limit.aborted) throw new Error(`no whole cluster: ${this.#said()}`)
      await delay(200)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync()
  }

  async #stop(): Promise<void> {
    await Promise.all(Array.from(this.#running.values(), (patroni) => patroni.stop()))
    // Those that were killed may have left something.
    for (const node of this.#nodes) {
      const pid = readPid(node)
      if (pid !== null) signal(pid, 'SIGKILL')
    }
  }

  #urlOf(database: string): string {
    return urlOf(
      this.#nodes.map(({ port }) => port),
      database,
    )
  }

  async #leader(): Promise<Node> {
    const leader = (await this.#members()).find(({ role }) => role === 'leader')
    const node = this.#nodes.find(({ name }) => name === leader?.name)
    if (node === undefined) throw new Error('nobody leads')
    return node
  }

  /** What one of them knows of all; empty while nobody says anything. */
  async #members(except?: string): Promise<readonly Member[]> {
    for (const { name, restPort } of this.#nodes) {
      if (name === except || !this.#running.has(name)) continue
      try {
        const answer = await fetch(`http://127.0.0.1:${restPort}/cluster`, {
          signal: AbortSignal.timeout(2000),
        })
        return ((await answer.json()) as { members: readonly Member[] }).members
      } catch {
        // Another one may know.
      }
    }
    return []
  }

  #said(): string {
    return Array.from(this.#running, ([name, { output }]) => `${name}:\n${output.slice(-2000)}`).join('\n')
  }
}

/** Null when it does not answer. */
async function askItself({ name, restPort }: Node): Promise<Member | null> {
  try {
    const answer = await fetch(`http://127.0.0.1:${restPort}/patroni`, { signal: AbortSignal.timeout(2000) })
    return { ...((await answer.json()) as Omit<Member, 'name'>), name }
  } catch {
    return null
  }
}

async function startEtcd(data: string, port: number, owner: Owner | null): Promise<Program> {
  const [url, peer] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${await freePort()}`]
  const args = ['--data-dir', data, '--listen-client-urls', url, '--advertise-client-urls', url]
  const peers = ['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer]
  const etcd = startProgram('etcd', [...args, ...peers, '--initial-cluster', `default=${peer}`], { ...owner })
  await etcd.said(/ready to serve client requests|serving insecure client requests/)
  return etcd
}

function settingsOf({ name, port, restPort, data }: Node, home: string, etcdPort: number): object {
  const here = (at: number) => ({ listen: `127.0.0.1:${at}`, connect_address: `127.0.0.1:${at}` })
  const user = (username: string) => ({ username, password })
  const dcs = {
    ttl: 8,
    loop_wait: 1,
    retry_timeout: 3,
    synchronous_mode: true,
    synchronous_mode_strict: true,
    postgresql: { use_pg_rewind: true, parameters: { max_connections: 60 } },
  }
  return {
    scope: 'pooldns',
    name,
    restapi: here(restPort),
    etcd3: { host: `127.0.0.1:${etcdPort}` },
    bootstrap: { dcs, initdb: [{ encoding: 'UTF8' }, 'no-sync', { 'auth-host': 'scram-sha-256' }] },
    postgresql: {
      ...here(port),
      data_dir: data,
      bin_dir: `${findSystemHome()}/bin`,
      pgpass: join(home, 'pgpass'),
      authentication: { superuser: user('postgres'), replication: user('replicator') },
      pg_hba: [
        'host all all 127.0.0.1/32 scram-sha-256',
        'host replication replicator 127.0.0.1/32 scram-sha-256',
        'local all all trust',
      ],
      // What is killed here need not survive the loss of power.
      parameters: { unix_socket_directories: home, fsync: 'off', shared_buffers: '16MB' },
    },
  }
}

const urlOf = (ports: readonly number[], database: string) =>
  `postgres://postgres:${password}@${ports.map((port) => `127.0.0.1:${port}`).join(',')}/${database}`

function postmasterOf(node: Node): number {
  const pid = readPid(node)
  if (pid === null) throw new Error(`PostgreSQL ${node.name} does not run`)
  return pid
}

/** Null when none of this folder runs; its number may be somebody else's by now. */
function readPid({ data }: Node): number | null {
  try {
    const pid = Number(readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')[0])
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(data) ? pid : null
  } catch {
    return null
  }
}

function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1')
  return text.split(' ').filter(Boolean).map(Number)
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // It is gone.
  }
}
