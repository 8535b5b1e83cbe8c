/** Certificates for tests, made by openssl. */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
export interface Identity {
  readonly key: Buffer
  readonly cert: Buffer
}

/** Makes a self-signed certificate; each is its own authority. `validity` are arguments of `openssl ca`. */
export async function certificate(
  folder: string,
  name: string,
  altNames: string,
  validity: readonly string[] = ['-days', '365'],
): Promise<Identity> {
  const at = (file: string): string => join(folder, `${name}.${file}`)
  await writeFile(at('index'), '')
  await writeFile(
    at('cnf'),
    `[ca]
default_ca = self
[self]
database = ${at('index')}
new_certs_dir = ${folder}
rand_serial = yes
default_md = sha256
policy = any
[any]
commonName = supplied
[req]
distinguished_name = subject
[subject]
[extensions]
subjectAltName = ${altNames}
basicConstraints = critical,CA:TRUE
`,
  )
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', at('key')]
  await run('openssl', [
    'req',
    '-config',
    at('cnf'),
    '-new',
    ...key,
    '-out',
    at('csr'),
    '-subj',
    `/CN=${name}`,
  ])
  const sign = ['-selfsign', '-batch', '-notext', '-extensions', 'extensions', ...validity]
  await run('openssl', [
    'ca',
    '-config',
    at('cnf'),
    '-keyfile',
    at('key'),
    '-in',
    at('csr'),
    '-out',
    at('crt'),
    ...sign,
  ])
  return { key: await readFile(at('key')), cert: await readFile(at('crt')) }
}

/** Makes a certificate that another one signs, which is not sent along with it. */
export async function signedCertificate(
  folder: string,
  name: string,
  altNames: string,
  issuer: string,
): Promise<Identity> {
  const at = (file: string): string => join(folder, file)
  await certificate(folder, name, altNames)
  await writeFile(at(`${name}.ext`), `subjectAltName = ${altNames}\n`)
  const authority = ['-CA', at(`${issuer}.crt`), '-CAkey', at(`${issuer}.key`), '-CAcreateserial']
  const files = ['-in', at(`${name}.csr`), '-out', at(`${name}.crt`), '-extfile', at(`${name}.ext`)]
  await run('openssl', ['x509', '-req', '-days', '365', ...authority, ...files])
  return { key: await readFile(at(`${name}.key`)), cert: await readFile(at(`${name}.crt`)) }
}

/** Why tests that need certificates can't run here; false when they can. */
export const withoutOpenssl = await run('openssl', ['version']).then(
  () => false as const,
  () => 'openssl, which makes the certificates, is not here',
)

/** A folder that ends with the test. */
export async function certificateFolder(owner: { teardown(fn: () => unknown): void }): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-tls-'))
  owner.teardown(() => rm(folder, { recursive: true }))
  return folder
}

/** A time as openssl takes it. */
export const opensslTime = (date: Date): string => `${date.toISOString().slice(0, 19).replace(/[-:T]/g, '')}Z`
