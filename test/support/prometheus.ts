/** A real Prometheus, and a real Alertmanager, until the test is over. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './free-port.ts'
import { startProgram } from './program.ts'

export interface Sample {
  readonly metric: Readonly<Record<string, string>>
  /** When, and what: `NaN` is a text, too. */
  readonly value: readonly [number, string]
}

export interface Prometheus extends AsyncDisposable {
  /** What an expression comes to now. @throws Error when Prometheus does not understand it */
  query(expression: string): Promise<readonly Sample[]>
}

/** @param config prometheus.yaml, which may name files of others by their whole paths */
export async function startPrometheus(config: string): Promise<Prometheus> {
  const { folder, listen, stop } = await startServer(
    'prometheus',
    /Server is ready/,
    config,
    ({ file, folder, listen }) => [
      `--config.file=${file}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=${listen}`,
    ],
  )
  return {
    async query(expression) {
      const response = await fetch(`http://${listen}/api/v1/query`, {
        method: 'POST',
        body: new URLSearchParams({ query: expression }),
      })
      const said = (await response.json()) as { error?: string; data?: { result: readonly Sample[] } }
      if (said.data === undefined) throw new Error(`${expression}: ${said.error} (${folder})`)
      return said.data.result
    },
    [Symbol.asyncDispose]: stop,
  }
}

export interface Alertmanager extends AsyncDisposable {
  /** `host:port`. */
  readonly address: string
}

/** @param config alertmanager.yaml */
export async function startAlertmanager(config: string): Promise<Alertmanager> {
  const { listen, stop } = await startServer(
    'prometheus-alertmanager',
    /Listening on.*address=127/,
    config,
    ({ file, folder, listen }) => [
      `--config.file=${file}`,
      `--storage.path=${join(folder, 'data')}`,
      `--web.listen-address=${listen}`,
      // It looks for no others of its kind.
      '--cluster.listen-address=',
    ],
  )
  return { address: listen, [Symbol.asyncDispose]: stop }
}

interface Place {
  readonly file: string
  readonly folder: string
  readonly listen: string
}

/** @param ready what it says when it is */
async function startServer(
  program: string,
  ready: RegExp,
  config: string,
  args: (place: Place) => readonly string[],
) {
  const folder = await mkdtemp(join(tmpdir(), `pooldns-${program}-`))
  const file = join(folder, 'config.yaml')
  await writeFile(file, config)
  const listen = `127.0.0.1:${await freePort()}`
  const running = startProgram(program, args({ file, folder, listen }))
  const stop = async () => {
    await running.stop()
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await running.said(ready)
  } catch (error) {
    await stop()
    throw error
  }
  return { folder, listen, stop }
}
