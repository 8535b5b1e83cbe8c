/**
 * The module for AWS: by HashiCorp's parser, and against what its provider has. Neither the provider nor AWS can be had here, so nothing is
 * planned or applied.
 */
import { execFile } from 'node:child_process'
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { parse } from '@cdktn/hcl2json'
import t from 'tap'
import { readConfig } from '../../../src/config.ts'
import { repository } from '../../support/daemon.ts'
import { type ProviderSchema, providerErrors, readModule, referenceErrors } from '../../support/hcl.ts'
import { missingPrograms } from '../../support/program.ts'

const run = promisify(execFile)
const folder = join(repository, 'deploy/terraform')
const environments = ['development', 'staging', 'production']
const schema: ProviderSchema = JSON.parse(
  await readFile(join(repository, 'test/deploy/terraform/aws-provider.json'), 'utf8'),
)
const names = (await readdir(folder)).filter((name) => name.endsWith('.tf'))
const files = Object.fromEntries(
  await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name), 'utf8')])),
) as Record<string, string>
const module = await readModule(files)

t.test('its arguments are those of the provider', async (t) => {
  t.same(providerErrors(module, schema), [])
})

t.test('what it refers to is there', async (t) => {
  t.same(await referenceErrors(module, schema), [])
})

const slips: [string, (text: string) => string, RegExp][] = [
  [
    'servers.tf',
    (text) => text.replace('launch_type', 'lauch_type'),
    /aws_ecs_service\.server: there is no lauch_type/,
  ],
  ['load_balancer.tf', (text) => text.replace('    matcher', '    match'), /health_check: there is no match/],
  [
    'load_balancer.tf',
    (text) => text.replace('  default_action {', '  default {'),
    /default_action is missing/,
  ],
  ['servers.tf', (text) => text.replace('= var.cpu\n', '= var.cpus\n'), /var\.cpus: it is declared nowhere/],
  ['iam.tf', (text) => text.replaceAll('main.arn', 'main.ar'), /the provider tells no ar/],
  ['alarms.tf', (text) => text.replaceAll('aws_lb.dns', 'aws_lb.main'), /there is no such resource/],
  ['network.tf', (text) => text.replaceAll('local.nats', 'local.nat'), /local\.nat: it is declared nowhere/],
  ['network.tf', (text) => text.replaceAll('var.egress', 'var.exits'), /var\.exits: it is declared nowhere/],
  [
    'secrets.tf',
    (text) => text.replace('var.database_ca_file}', 'var.database_ca}'),
    /var\.database_ca: it is declared nowhere/,
  ],
  ['variables.tf', (text) => `${text}\nvariable "unused" {}\n`, /var\.unused: nobody uses it/],
]

t.test('a slip is found', async (t) => {
  for (const [name, change, told] of slips) {
    const changed = change(files[name]!)
    t.not(changed, files[name], 'the slip is one')
    const slipped = await readModule({ ...files, [name]: changed })
    const found = [...providerErrors(slipped, schema), ...(await referenceErrors(slipped, schema))]
    t.match(found.join('\n'), told, `${name}: ${told}`)
  }
  await t.rejects(readModule({ 'a.tf': 'locals {\n  a = \n}\n' }), { message: /a\.tf:2/ })
})

t.test('each environment sets what has no default, and nothing else', async (t) => {
  const wanted = Object.entries(module.variables)
    .filter(([name, body]) => !('default' in body) && name !== 'image')
    .map(([name]) => name)
  for (const name of environments) {
    const set = await parse(`${name}.tfvars`, await readFile(join(folder, `${name}.tfvars`), 'utf8'))
    t.same(Object.keys(set).sort(), wanted.sort(), name)
    t.equal(set.environment, name)
  }
})

t.test('roles have the rights that they need', async (t) => {
  const statements = JSON.stringify(module.resources['data.aws_iam_policy_document'])
  t.notMatch(statements, /"actions":\["?[^\]]*\*/, 'no action by a pattern')
  const anywhere = [...statements.matchAll(/"actions":\[([^\]]*)\],"resources":\["\*"\]/g)].map(
    ([, actions]) => actions,
  )
  t.same(anywhere, ['"ecr:GetAuthorizationToken"'], 'one that can be given for all alone')
  t.notOk(
    Object.values(module.resources.aws_iam_role_policy!).some(({ role }) => /iam_role\.task/.test(role)),
    'a task has none',
  )
})

t.test('doors are open to those who need them, and data are kept', async (t) => {
  const { dns, checks, api, database, ...others } = module.resources.aws_vpc_security_group_ingress_rule!
  t.same(Object.keys(others), [])
  t.match(dns, { cidr_ipv4: '0.0.0.0/0', from_port: /dns_port/, to_port: /dns_port/ })
  t.match(checks, { cidr_ipv4: /aws_subnet\.public/, from_port: /http_port/, to_port: /http_port/ })
  t.match(api, { for_each: /var\.api_networks/, cidr_ipv4: /each\.key/, from_port: /http_port/ })
  t.match(database, {
    referenced_security_group_id: /security_group\.servers/,
    from_port: 5432,
    to_port: 5432,
  })
  t.match(module.resources.aws_rds_cluster!.main, {
    storage_encrypted: true,
    deletion_protection: /var\.protect/,
    skip_final_snapshot: /!var\.protect/,
  })
  const { parameter } = module.resources.aws_rds_cluster_parameter_group!.main!
  t.match(parameter, [{ name: 'rds.force_ssl', value: '1' }])
  const path = 'production.tfvars'
  const production = await parse(path, await readFile(join(folder, path), 'utf8'))
  t.match(production, { protect: true, nat_per_zone: true }, 'one zone takes no other with it')
  t.ok(production.servers.min >= production.zones && production.zones >= 3, 'a server in each zone')
  t.ok(production.database.instances >= 2 && production.database.backup_days >= 7)
})

t.test('a container can do as little as possible, and an update leaves servers', async (t) => {
  const { server, write_files, setup } = module.locals as Record<string, unknown>
  const containers = [server, write_files, ...(setup as { name: string }[])] as Record<string, unknown>[]
  t.equal(containers.length, 4)
  for (const { name, ...container } of containers)
    t.match(
      container,
      {
        user: '1000:1000',
        readonlyRootFilesystem: true,
        linuxParameters: { capabilities: { drop: ['ALL'] } },
      },
      `${name}`,
    )
  t.ok((server as { stopTimeout: number }).stopTimeout > 10, 'the ten seconds that it takes to end')
  // What waits for another names one that is there.
  const names = containers.map(({ name }) => name)
  for (const [, waited] of files['servers.tf']!.matchAll(/containerName = "(\w+)"/g))
    t.ok(names.includes(waited), `${waited}`)
  t.match(module.resources.aws_ecs_service!.server, {
    deployment_minimum_healthy_percent: 100,
    deployment_maximum_percent: 200,
    deployment_circuit_breaker: [{ enable: true, rollback: true }],
    network_configuration: [{ assign_public_ip: false, subnets: /aws_subnet\.servers/ }],
    load_balancer: [{ container_name: /local\.server\.name/, container_port: /local\.dns_port/ }],
  })
  const { deregistration_delay } = module.resources.aws_lb_target_group!.dns!
  t.equal(deregistration_delay, 120, 'flows of UDP last that long')
  t.match(module.resources.aws_appautoscaling_target!.server, {
    min_capacity: /var\.servers\.min/,
    max_capacity: /var\.servers\.max/,
  })
})

t.test('networks of the VPC do not overlap, and the database has no way out', async (t) => {
  const { public: open, servers, database } = module.resources.aws_subnet!
  const offsets = [open, servers, database].map((subnet) => {
    const found = /^\$\{cidrsubnet\(var\.cidr, 4, (?:(\d+) \+ )?count\.index\)\}$/.exec(subnet!.cidr_block)
    return found === null ? Number.NaN : Number(found[1] ?? 0)
  })
  // There are four zones at the most.
  t.same(offsets, [0, 4, 8])
  t.same(Object.keys(module.resources.aws_route_table_association!), ['public', 'servers'])
  t.match(module.resources.aws_rds_cluster!.main!.vpc_security_group_ids, [/security_group\.database/])
})

t.test('an alarm tells of what is, and of silence where that is one', async (t) => {
  const { unhealthy, none, database, ...others } = module.resources.aws_cloudwatch_metric_alarm!
  t.same(Object.keys(others), [])
  const alarms: [typeof none, object][] = [
    [
      unhealthy,
      {
        metric_name: 'UnHealthyHostCount',
        statistic: 'Maximum',
        comparison_operator: 'GreaterThanThreshold',
        threshold: 0,
        treat_missing_data: 'notBreaching',
      },
    ],
    [
      none,
      {
        metric_name: 'HealthyHostCount',
        statistic: 'Minimum',
        comparison_operator: 'LessThanThreshold',
        threshold: 1,
        treat_missing_data: 'breaching',
      },
    ],
    [database, { metric_name: 'ACUUtilization', comparison_operator: 'GreaterThanThreshold', threshold: 90 }],
  ]
  for (const [alarm, wanted] of alarms) t.match(alarm, { ...wanted, alarm_actions: /var\.alarm_topics/ })
})

t.test('outwards it goes everywhere, or where it is told', async (t) => {
  const { servers, database, aws, named, ...others } = module.resources.aws_vpc_security_group_egress_rule!
  t.same(Object.keys(others), [])
  t.match(servers, { count: /var\.egress == null \? 1 : 0/, ip_protocol: '-1', cidr_ipv4: '0.0.0.0/0' })
  for (const rule of [database, aws]) t.match(rule, { count: /var\.egress == null \? 0 : 1/ })
  t.match(database, {
    referenced_security_group_id: /security_group\.database/,
    from_port: 5432,
    to_port: 5432,
  })
  t.match(aws, { ip_protocol: 'tcp', from_port: 443, to_port: 443 })
  t.match(named, { for_each: /var\.egress == null \? \{\} : var\.egress/, cidr_ipv4: /each\.value\.cidr/ })
  for (const rule of [servers, database, aws, named])
    t.match(rule, { security_group_id: /security_group\.servers/ })
})

t.test('with the authorities of the database its certificate is verified, by all who connect', async (t) => {
  const { database_tls, database_verified } = module.locals
  t.equal(database_verified, `sslmode=verify-full&sslrootcert=\${var.database_ca_file}`)
  t.match(database_tls, /var\.database_ca_file == "" \? local\.database_encrypted : local\.database_verified/)
  t.match(module.locals.database_place, /\?\$\{local\.database_tls\}$/)
  for (const given of [
    'PGSSLMODE", value = var.database_ca_file == "" ? "require" : "verify-full"',
    'PGSSLROOTCERT", value = var.database_ca_file',
  ])
    t.ok(files['servers.tf']!.includes(given), given)
})

t.test('ports agree', async (t) => {
  const { dns_port, http_port } = module.locals
  t.same({ dns_port, http_port }, { dns_port: 9999, http_port: 3000 })
  const group = module.resources.aws_lb_target_group!.dns!
  t.match(group, { protocol: 'TCP_UDP', port: /local\.dns_port/, target_type: 'ip' })
  t.match(group.health_check[0], { path: '/ready', port: /local\.http_port/ })
  t.match(module.resources.aws_lb_listener!.dns, { protocol: 'TCP_UDP', port: 53 })
})

t.test('each secret that a container is given is in its entry', async (t) => {
  const entry = (name: string) => {
    const text: string = module.resources.aws_secretsmanager_secret_version![name]!.secret_string_wo
    return [...text.matchAll(/^\s*(\w+) +=/gm)].map(([, key]) => key)
  }
  const given = [...files['servers.tf']!.matchAll(/secret\.(\w+)\.arn\}:(\w+)::/g)]
  t.equal(given.length, 5)
  for (const [, name, key] of given) t.ok(entry(name!).includes(key), `${name}: ${key}`)
})

t.test('the servers take what they are told', async (t) => {
  const [, text] = /environment = merge\(var\.settings, \{([^}]*(?:\$\{[^}]*\}[^}]*)*)\n {2}\}\)/.exec(
    files['servers.tf']!,
  )!
  const set = [...text!.matchAll(/^\s*(POOLDNS_\w+) +=/gm)].map(([, name]) => name!)
  t.ok(set.length >= 4)
  const values: Record<string, string> = {
    POOLDNS_DATA_DIR: '/var/lib/pooldns',
    POOLDNS_DNS_LISTEN: '0.0.0.0:9999',
    POOLDNS_HTTP_LISTEN: '0.0.0.0:3000',
    POOLDNS_HTTP_HOSTS: 'servers.pooldns-production.internal,dns.example',
    POOLDNS_KEY_FILE: '/var/lib/pooldns/files/dnssec.key',
  }
  t.same(set.sort(), Object.keys(values).sort())
  t.match(readConfig([], values), { dnsListen: [{ port: 9999 }], httpListen: { port: 3000 } })
  // What the module sets is no setting of the operator's; names of HTTP are put together.
  for (const name of set) if (name !== 'POOLDNS_HTTP_HOSTS') t.match(files['variables.tf'], `"${name}"`)
  t.match(
    text,
    /join\(",", compact\(\[local\.api_host, lookup\(var\.settings, "POOLDNS_HTTP_HOSTS", ""\)\]\)\)/,
  )
})

t.test('the key file of signed zones is made once, and the servers alone may read it', async (t) => {
  t.match(module.resources.aws_secretsmanager_secret_version!.key_file, {
    secret_id: /aws_secretsmanager_secret\.key_file\.id/,
    secret_string_wo_version: 1,
    secret_string_wo: /base64encode\(ephemeral\.random_password\.key_file\.result\)/,
  })
  t.match(
    module.resources['ephemeral.random_password']!.key_file,
    { length: 32 },
    'as many octets as it takes',
  )
  const { servers, setup } = module.locals.execution_secrets as Record<string, unknown>
  t.match(JSON.stringify(servers), 'aws_secretsmanager_secret.key_file.arn')
  t.notMatch(JSON.stringify(setup), 'key_file')
})

/** What Terraform says, in one line: it breaks its own wherever they are long. */
const wordsOf = (said: string | { stdout: string; stderr: string }) =>
  (typeof said === 'string' ? said : said.stdout + said.stderr).replaceAll(/[\s│]+/g, ' ')

t.test('terraform itself', { skip: missingPrograms('terraform') }, async (t) => {
  const scratch = await mkdtemp(join(tmpdir(), 'pooldns-terraform-'))
  t.teardown(() => rm(scratch, { recursive: true, force: true }))
  const env = { PATH: process.env.PATH, HOME: scratch, CHECKPOINT_DISABLE: '1' }
  await t.resolves(run('terraform', ['fmt', '-check', '-diff', folder], { env }), 'its form is the usual one')

  // Without resources it needs no provider, and still checks values.
  for (const name of ['variables.tf', ...environments.map((each) => `${each}.tfvars`)])
    await cp(join(folder, name), join(scratch, name))
  const value = (environment: string, ...more: string[]) => {
    const args = [
      'console',
      '-no-color',
      `-var-file=${environment}.tfvars`,
      '-var',
      'image=example.com/pooldns:0.1.0',
    ]
    const asked = run('terraform', [...args, ...more.flatMap((each) => ['-var', each])], {
      cwd: scratch,
      env,
    })
    asked.child.stdin!.end('jsonencode(var.servers)\n')
    return asked
  }
  for (const name of environments) t.match((await value(name)).stdout, /min/, `${name} is accepted`)
  const entry = 'arn:aws:secretsmanager:eu-central-1:111122223333:secret:mail-AbCdEf'
  const refused: [string, RegExp][] = [
    ['zones=1', /2 to 4; the database takes two/],
    ['cpu=1000', /cpu: 256, 512/],
    ['image=example.com/pooldns:latest', /a tag other than latest/],
    ['servers={min=3,max=2}', /min is 1 or more/],
    ['database={instances=1,min_acu=0,max_acu=1,backup_days=1}', /min_acu from 0\.5/],
    ['egress={a={cidr="everywhere",protocol="tcp",from_port=80,to_port=80}}', /egress: cidr is a network/],
    ['egress={a={cidr="192.0.2.0/24",protocol="all",from_port=80,to_port=80}}', /egress: cidr is a network/],
    ['egress={a={cidr="192.0.2.0/24",protocol="icmp",from_port=-1,to_port=-1}}', /so no ICMP/],
    ['egress={a={cidr="2001:db8::/32",protocol="tcp",from_port=80,to_port=80}}', /the VPC has no IPv6/],
    ['egress={a={cidr="192.0.2.0/24",protocol="udp",from_port=53,to_port=52}}', /from_port is no more/],
    ['egress={a={cidr="192.0.2.0/24",protocol="udp",from_port=53,to_port=70000}}', /from 0 to 65535/],
    ['database_ca_file=ca.pem', /database_ca_file: an absolute path/],
    ['settings={POOLDNS_DATA_DIR="/data"}', /settings: names begin with POOLDNS_/],
    ['settings={POOLDNS_KEY_FILE="/data/key"}', /settings: names begin with POOLDNS_/],
    ['settings={PATH="/bin"}', /settings: names begin with POOLDNS_/],
    ['settings={POOLDNS_OPENID_SECRET="secret"}', /settings: a secret/],
    ['settings={OTEL_EXPORTER_OTLP_HEADERS="authorization=a"}', /settings: a secret/],
    ['settings={POOLDNS_SMTP_URL="smtp://pooldns:secret@mail.example"}', /settings: a secret/],
    ['secret_settings={POOLDNS_SMTP_URL="smtp://mail.example"}', /secret_settings: arn:aws:secretsmanager/],
    [`secret_settings={POOLDNS_ADMIN_TOKEN="${entry}"}`, /the token of the API is made by this module/],
    [`secret_files={"dnssec.key"="${entry}"}`, /dnssec\.key is made by this module/],
    [`secret_files={"../key"="${entry}"}`, /secret_files: names such as/],
    ['secret_files={"certificates/web.key"="text"}', /secret_files: arn:aws:secretsmanager/],
    ['files={"/etc/passwd"="text"}', /files: names such as/],
    ['environment=Production!', /2 to 15 small letters/],
  ]
  for (const [each, told] of refused)
    t.match(
      await value('production', each).then(wordsOf, (error: Error) => wordsOf(error.message)),
      told,
      each,
    )
  const twice = [
    [
      'settings={POOLDNS_SMTP_URL="smtp://mail.example"}',
      `secret_settings={POOLDNS_SMTP_URL="${entry}"}`,
      /a variable is in settings, too/,
    ],
    ['files={"a.key"="text"}', `secret_files={"a.key"="${entry}"}`, /a file is in files, too/],
  ] as const
  for (const [one, other, told] of twice)
    t.match(
      await value('production', one, other).then(wordsOf, (error: Error) => wordsOf(error.message)),
      told,
      other,
    )
  const accepted = await value(
    'production',
    `secret_settings={POOLDNS_SMTP_URL="${entry}:url::",POOLDNS_OPENID_SECRET="${entry}"}`,
    `secret_files={"certificates/web.key"="${entry}:key::"}`,
    'files={"openid.yaml"="issuer: https://login.example"}',
    'settings={POOLDNS_SMTP_URL_FILE="/var/lib/pooldns/files/smtp",OTEL_EXPORTER_OTLP_ENDPOINT="http://192.0.2.7:4318"}',
    'egress={a={cidr="192.0.2.0/24",protocol="tcp",from_port=80,to_port=443}}',
  )
  t.match(wordsOf(accepted), /min/)
})
