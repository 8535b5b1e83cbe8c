/** What the module writes as files for the server: said by Terraform, written by the container's own program, read by the server. */
import { execFile } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { readKeyFile } from '../../../src/controlplane/dnssec/key-file.ts'
import { node, repository } from '../../support/daemon.ts'
import { missingPrograms } from '../../support/program.ts'

const run = promisify(execFile)
const folder = join(repository, 'deploy/terraform')

interface Container {
  readonly entryPoint: readonly string[]
  readonly command: readonly string[]
  readonly environment: readonly { readonly name: string; readonly value: string }[]
  readonly secrets: readonly { readonly name: string; readonly valueFrom: string }[]
}

/** A part of the module that needs nothing of AWS, as Terraform makes it. @param texts NAME=VALUE, or paths of files with them */
async function said(t: Test, expression: string, ...texts: string[]): Promise<unknown> {
  const scratch = await mkdtemp(join(tmpdir(), 'pooldns-terraform-'))
  t.teardown(() => rm(scratch, { recursive: true, force: true }))
  for (const name of ['variables.tf', 'production.tfvars', 'write-files.mjs'])
    await cp(join(folder, name), join(scratch, name))
  const text = await readFile(join(folder, 'servers.tf'), 'utf8')
  const [part] = /^ {2}files_folder = [\s\S]*?(?=^ {2}server = \{)/m.exec(text) ?? []
  const alone = part!
    .replaceAll('aws_secretsmanager_secret.key_file.arn', '"arn:of-the-key-file"')
    .replaceAll('local.log["files"]', 'null')
  await writeFile(join(scratch, 'part.tf'), `locals {\n${alone}}\n`)
  const env = { PATH: process.env.PATH, HOME: scratch, CHECKPOINT_DISABLE: '1' }
  const given = ['image=example.com/pooldns:0.1.0', ...texts].flatMap((each) =>
    each.startsWith('/') ? [`-var-file=${each}`] : ['-var', each],
  )
  const asked = run('terraform', ['console', '-no-color', '-var-file=production.tfvars', ...given], {
    cwd: scratch,
    env,
  })
  asked.child.stdin!.end(`jsonencode(${expression})\n`)
  return JSON.parse(JSON.parse((await asked).stdout))
}

/** Runs what the container runs, with what Secrets Manager would give it, and another folder. */
async function write(
  to: string,
  { entryPoint, command, environment, secrets }: Container,
  texts: Record<string, string>,
) {
  const env = Object.fromEntries([
    ...environment.map(({ name, value }) => [name, value]),
    ...secrets.map(({ name, valueFrom }) => [name, texts[valueFrom]]),
    ['FOLDER', to],
  ])
  const [program, ...args] = entryPoint
  t.equal(program, 'node')
  return await run(node, [...args, ...command], { env })
}

const withoutTerraform = missingPrograms('terraform')

t.test('files and secrets are written for the server alone', { skip: withoutTerraform }, async (t) => {
  const entry = 'arn:aws:secretsmanager:eu-central-1:111122223333:secret:web-AbCdEf:key::'
  const container = (await said(
    t,
    'local.write_files',
    'files={"openid.yaml"="issuer: https://login.example\\n","certificates/web.crt"="certificate"}',
    `secret_files={"certificates/web.key"="${entry}"}`,
  )) as Container
  const key = Buffer.from('a'.repeat(32)).toString('base64')
  const to = join(t.testdir(), 'files')
  const texts = { 'arn:of-the-key-file': key, [entry]: 'key' }
  const plain = container.environment.map(({ name, value }) => `${name}=${value}`).join('\n')
  for (const secret of Object.keys(texts)) t.notMatch(plain, secret)
  // A second time, as after a start that failed behind it.
  for (const _ of [1, 2]) t.match(await write(to, container, texts), { stderr: '' })
  const written: [string, string][] = [
    ['openid.yaml', 'issuer: https://login.example\n'],
    ['certificates/web.crt', 'certificate'],
    ['certificates/web.key', 'key'],
    ['dnssec.key', key],
  ]
  for (const [name, text] of written) {
    t.equal(await readFile(join(to, name), 'utf8'), text, name)
    t.equal((await stat(join(to, name))).mode & 0o777, 0o400, name)
  }
  for (const each of [to, join(to, 'certificates')]) t.equal((await stat(each)).mode & 0o777, 0o700, each)
  t.equal(readKeyFile({ path: join(to, 'dnssec.key'), mayBeMade: false }).length, 32)
})

t.test('what starts the servers may read whole entries, each once', { skip: withoutTerraform }, async (t) => {
  const iam = await readFile(join(folder, 'iam.tf'), 'utf8')
  const [, expression] = /^ +(distinct\(.*\)),$/m.exec(iam)!
  const entry = 'arn:aws:secretsmanager:eu-central-1:111122223333:secret:web-AbCdEf'
  const settings = `secret_settings={POOLDNS_SMTP_URL="${entry}:url::",POOLDNS_CACHE_URL="${entry}2"}`
  t.same(await said(t, expression!, settings, `secret_files={"web.key"="${entry}:key::"}`), [
    `${entry}2`,
    entry,
  ])
})

t.test('what the page has an operator write is accepted', { skip: withoutTerraform }, async (t) => {
  const page = await readFile(join(repository, 'docs/deploy/aws.md'), 'utf8')
  const written = [...page.matchAll(/^cat > (\w+)\.auto\.tfvars <<'END'\n([\s\S]*?)^END$/gm)]
  t.same(
    written.map(([, name]) => name),
    ['egress', 'settings'],
  )
  const folder = t.testdir(Object.fromEntries(written.map(([, name, text]) => [`${name}.tfvars`, text!])))
  const files = written.map(([, name]) => join(folder, `${name}.tfvars`))
  const wanted =
    '{ settings = keys(var.settings), secret = keys(var.secret_settings), egress = keys(var.egress) }'
  t.match(await said(t, wanted, ...files), {
    settings: ['POOLDNS_CERTIFICATE_DIR', 'POOLDNS_MAIL_FROM', 'POOLDNS_OPENID'],
    secret: ['POOLDNS_OPENID_SECRET', 'POOLDNS_SMTP_URL'],
    egress: ['members', 'resolver'],
  })
})

t.test('without any there is the key file alone', { skip: withoutTerraform }, async (t) => {
  t.match(await said(t, 'local.variable_of_file'), { 'dnssec.key': 'FILE_0' })
})

t.test('the server waits for them', async (t) => {
  const text = await readFile(join(folder, 'servers.tf'), 'utf8')
  t.match(text, 'dependsOn        = [{ containerName = local.write_files.name, condition = "SUCCESS" }]')
  t.match(text, 'jsonencode([local.write_files, local.server])')
  for (const name of ['write_files', 'server']) {
    const [, mount] = new RegExp(`^  ${name} = \\{[\\s\\S]*?mountPoints = (.*)$`, 'm').exec(text)!
    t.match(mount, /sourceVolume = "data", containerPath = "\/var\/lib\/pooldns", readOnly = false/)
  }
})
