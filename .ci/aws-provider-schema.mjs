// Writes test/deploy/terraform/aws-provider.json: what the provider of Terraform for AWS knows of the resources that deploy/terraform uses,
// by which the tests check each argument. Terraform itself would need the provider for that, 700 MB which are not in any registry of packages;
// @cdktf/provider-aws has been generated from its schema, so its types have the same names. Run it by hand after another resource is used.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const from = '@cdktf/provider-aws@21.22.1'
const root = fileURLToPath(new URL('..', import.meta.url))
const module = join(root, 'deploy/terraform')

const scratch = mkdtempSync(join(tmpdir(), 'pooldns-aws-'))
try {
  run('npm', ['pack', '--silent', '--pack-destination', scratch, from])
  const [archive] = readdirSync(scratch)
  const used = usedResources()
  const folders = used.map(({ kind, type }) =>
    (kind === 'data' ? `data-aws-${type}` : type).replaceAll('_', '-'),
  )
  const files = folders.map((folder) => `package/lib/${folder}/index.d.ts`)
  run('tar', ['-xzf', join(scratch, archive), '-C', scratch, 'package/package.json', ...files])
  const { version } = JSON.parse(readFileSync(join(scratch, 'package/package.json'), 'utf8')).cdktf.provider
  const resources = used.map(({ kind, type }, index) => [
    `${kind === 'data' ? 'data.' : ''}aws_${type}`,
    resource(readFileSync(join(scratch, files[index]), 'utf8')),
  ])
  const text = JSON.stringify({ version, resources: Object.fromEntries(resources) }, null, 1)
  writeFileSync(join(root, 'test/deploy/terraform/aws-provider.json'), `${text}\n`)
} finally {
  rmSync(scratch, { recursive: true, force: true })
}

function usedResources() {
  const files = readdirSync(module).filter((file) => file.endsWith('.tf'))
  const text = files.map((file) => readFileSync(join(module, file), 'utf8')).join('\n')
  const found = [...text.matchAll(/^(resource|data) "aws_(\w+)"/gm)].map(
    ([, kind, type]) => `${kind} ${type}`,
  )
  return [...new Set(found)].sort().map((each) => ({ kind: each.split(' ')[0], type: each.split(' ')[1] }))
}

/** What may be said of it, and what can be asked of it. */
function resource(text) {
  const interfaces = new Map(
    [...text.matchAll(/^export interface (\w+)[^{]*\{\n([\s\S]*?)^\}/gm)].map(([, name, body]) => [
      name,
      body,
    ]),
  )
  const [config] = [...interfaces.keys()].filter((name) => name.endsWith('Config'))
  const main = text.slice(text.lastIndexOf(' extends cdktf.Terraform'))
  const asked = [...main.matchAll(/^ {4}get (\w+)\(\)/gm)]
    .map(([, name]) => snake(name))
    .filter((name) => !name.endsWith('_input'))
  return { arguments: argumentsOf(interfaces.get(config), interfaces), asked: [...new Set(asked)].sort() }
}

/** By name: whether it is required, and what is in it where it is a block. */
function argumentsOf(body, interfaces) {
  const found = [...body.matchAll(/[#.]([a-z0-9_]+)\}[\s\S]*?readonly \w+(\?)?: (\w*)/g)]
  return Object.fromEntries(
    found.map(([, name, optional, type]) => [
      name,
      {
        ...(optional === undefined ? { required: true } : {}),
        ...(interfaces.has(type) ? { block: argumentsOf(interfaces.get(type), interfaces) } : {}),
      },
    ]),
  )
}

function snake(name) {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

function run(program, args) {
  const { status } = spawnSync(program, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${status}`)
}
