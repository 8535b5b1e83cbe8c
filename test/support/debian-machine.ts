/**
 * A Debian with systemd as its first process, in namespaces of its own (systemd-nspawn): what is installed there is started by systemd as
 * on any server, and nothing of this machine is changed. Its network is a loopback interface and nothing else.
 *
 * The system is made of Debian's packages by mmdebstrap, once: it is kept beside what else is kept of tests.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { repository } from './daemon.ts'
import { listenForNotices } from './notified.ts'
import { missingPrograms } from './program.ts'

const kept = join(repository, 'node_modules/.cache/pooldns')
/** What the package needs that a smallest Debian has not, and what completes commands. */
const included = 'systemd,systemd-sysv,dbus,libstdc++6,bash-completion,man-db'
const archive = join(kept, 'debian-12.tar')

/** For `skip`: false where such a machine can be. */
export function withoutMachines(): string | false {
  if (process.env.POOLDNS_TEST_MACHINES !== 'yes')
    return 'it takes ten minutes: set POOLDNS_TEST_MACHINES=yes'
  const missing = missingPrograms('mmdebstrap', 'systemd-nspawn', 'nsenter', 'tar')
  if (missing !== false) return missing
  if (process.getuid?.() !== 0) return 'for root only: a machine has namespaces of its own'
  return makeArchive()
}

/** False, or why Debian's packages can't be had. */
function makeArchive(): string | false {
  if (existsSync(archive)) return false
  mkdirSync(kept, { recursive: true })
  const begun = `${archive}.${process.pid}`
  const { status, stderr } = spawnSync(
    'mmdebstrap',
    ['--variant=apt', '--mode=root', '--format=tar', `--include=${included}`, 'bookworm', begun],
    { encoding: 'utf8' },
  )
  if (status !== 0) {
    rmSync(begun, { force: true })
    return `mmdebstrap: ${stderr.trim().split('\n').at(-1)}`
  }
  renameSync(begun, archive)
  return false
}

export interface Ran {
  readonly status: number
  /** Both streams. */
  readonly output: string
}

export interface DebianMachine extends AsyncDisposable {
  /** Its root, as this machine sees it. */
  readonly root: string
  /** Before a command, has it run with this machine's files and programs and that machine's network. */
  readonly inItsNetwork: readonly string[]
  /** Runs a line of sh(1) in it, as root. */
  run(line: string): Ran
  /**
   * The same, which must end well.
   * @returns what it wrote
   */
  do(line: string): string
}

/** Starts one and waits until systemd has started what it starts. */
export async function startDebian(): Promise<DebianMachine> {
  const root = mkdtempSync(join(tmpdir(), 'pooldns-debian-'))
  const unpacked = spawnSync('tar', ['-xf', archive, '-C', root], { encoding: 'utf8' })
  if (unpacked.status !== 0) throw new Error(`tar: ${unpacked.stderr}`)
  // Nothing of it has to survive the loss of power.
  writeFileSync(join(root, 'etc/dpkg/dpkg.cfg.d/unsafe-io'), 'force-unsafe-io\n')
  using notices = listenForNotices('path')
  const nspawn = spawn(
    'systemd-nspawn',
    [
      `--directory=${root}`,
      '--boot',
      '--register=no',
      '--keep-unit',
      '--private-network',
      '--console=pipe',
      '--hostname=debian',
      // Its systemd tells when it has started what it starts.
      '--notify-ready=yes',
    ],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: '1', NOTIFY_SOCKET: notices.name },
    },
  )
  let said = ''
  for (const stream of [nspawn.stdout, nspawn.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      said = `${said}${text}`.slice(-20_000)
    })
  const stop = () => end(nspawn, root)
  const left = once(nspawn, 'exit').then(() => {
    throw new Error(`no machine:\n${said}`)
  })
  left.catch(() => undefined)
  try {
    await Promise.race([notices.until(/^READY=1$/m), left])
    return machineOf(root, childOf(nspawn.pid!)!, stop)
  } catch (error) {
    await stop()
    throw error
  }
}

function machineOf(root: string, leader: number, stop: () => Promise<void>): DebianMachine {
  const enter = ['nsenter', '--target', String(leader)]
  const run = (line: string): Ran => {
    const [program, ...args] = [...enter, '--all', '--root', '--wdns=/', 'sh', '-c', line]
    // Not the environment of this machine.
    const env = {
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin',
      LC_ALL: 'C.UTF-8',
      DEBIAN_FRONTEND: 'noninteractive',
    }
    const { status, stdout, stderr } = spawnSync(program!, args, {
      encoding: 'utf8',
      env,
      maxBuffer: 64 << 20,
    })
    return { status: status ?? -1, output: `${stdout}${stderr}` }
  }
  return {
    root,
    inItsNetwork: [...enter, '--net', '--'],
    run,
    do(line) {
      const { status, output } = run(line)
      if (status !== 0) throw new Error(`${line}: code ${status}\n${output}`)
      return output
    },
    [Symbol.asyncDispose]: stop,
  }
}

/** Of the processes that it started the first: the machine's systemd. */
function childOf(pid: number): number | null {
  try {
    const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ')
    return child === undefined || child === '' ? null : Number(child)
  } catch {
    return null
  }
}

/** Without its first process none of them is left. */
async function end(nspawn: ChildProcess, root: string): Promise<void> {
  const leader = childOf(nspawn.pid!)
  const ended = nspawn.exitCode === null ? once(nspawn, 'exit') : undefined
  if (leader !== null) process.kill(leader, 'SIGKILL')
  else nspawn.kill('SIGKILL')
  await ended
  rmSync(root, { recursive: true, force: true })
}
