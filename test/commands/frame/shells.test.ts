/** What is made from the commands for shells and for man: read by the programs that it is for, and asked. */
import { execFileSync, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import t, { type Test } from 'tap'
import { allCommands } from '../../../src/commands/all.ts'
import { completionScript } from '../../../src/commands/frame/completion-script.ts'
import { loadAll } from '../../../src/commands/frame/loaded.ts'
import { main, node } from '../../support/daemon.ts'
import { findProgram, missingPrograms } from '../../support/program.ts'

const loaded = await loadAll(allCommands)

/** What is typed, and some of what TAB offers; nothing of what it must not. */
const cases: readonly (readonly [typed: string, offered: readonly string[], not: readonly string[]])[] = [
  ['pooldns ', ['serve', 'explain', 'import-zone', 'token'], ['create', '--server']],
  ['pooldns imp', ['import-zone', 'import-zones'], ['explain']],
  ['pooldns token ', ['create', 'list', 'revoke'], ['explain']],
  ['pooldns token create x --s', ['--scope', '--server', '--service'], ['--json']],
  ['pooldns token create x --scope ', ['read', 'write', 'override', 'report'], ['list']],
  ['pooldns completion ', ['bash', 'zsh', 'fish'], ['serve']],
  ['pooldns explain www --c', ['--client'], ['--scope']],
  ['pooldns import-zone zone', ['zone-of-a-test'], ['explain']],
]

t.test('bash', { skip: missingPrograms('bash') }, async (t) => {
  const script = completionScript('bash', loaded, allCommands)
  const folder = t.testdir({ 'zone-of-a-test': '', script })
  t.equal(spawnSync('bash', ['-n', join(folder, 'script')]).status, 0)
  for (const [typed, offered, not] of cases) {
    const words = typed.split(' ')
    const ask = `compopt() { :; }; source ./script
      COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}
      _pooldns; printf '%s\\n' "\${COMPREPLY[@]}"`
    check(t, typed, execFileSync('bash', ['-c', ask], { cwd: folder, encoding: 'utf8' }), offered, not)
  }
})

t.test('fish', { skip: missingPrograms('fish') }, async (t) => {
  const folder = t.testdir({ 'zone-of-a-test': '', script: completionScript('fish', loaded, allCommands) })
  const env = { ...process.env, HOME: folder, XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder }
  t.equal(spawnSync('fish', ['--no-execute', join(folder, 'script')], { env }).status, 0)
  for (const [typed, offered, not] of cases) {
    const ask = `source ./script; complete --do-complete '${typed}'`
    const said = execFileSync('fish', ['--no-config', '-c', ask], { cwd: folder, env, encoding: 'utf8' })
    check(t, typed, said.replaceAll(/\t.*/g, ''), offered, not)
  }
})

// zsh completes in its line editor alone, which needs a terminal: one of its own is made, and what it would offer is written instead.
const driver = `zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'source ./inner'
while zpty -r shell line; do [[ $line == ok* ]] && break; done
zpty -w shell "$1"$'\\t'
while zpty -r shell; do :; done
`
const inner = `PROMPT=
fpath=($PWD $fpath)
autoload compinit
compinit -u -D
bindkey '^M' undefined
bindkey '^J' undefined
bindkey '^I' complete-word
mark() { print -rn -- $'\\0' }
compprefuncs=( mark )
comppostfuncs=( mark exit )
compadd() {
  if [[ \${@[1,(i)(-|--)]} == *-(O|A|D)\\ * ]]; then
    builtin compadd "$@"
    return
  fi
  typeset -a found
  builtin compadd -A found "$@"
  print -rl -- $found
}
print -r -- ok
`

t.test('zsh', { skip: missingPrograms('zsh') }, async (t) => {
  const folder = t.testdir({
    'zone-of-a-test': '',
    _pooldns: completionScript('zsh', loaded, allCommands),
    inner,
    driver,
  })
  t.equal(spawnSync('zsh', ['-n', join(folder, '_pooldns')]).status, 0)
  for (const [typed, offered, not] of cases) {
    const said = execFileSync('zsh', ['-f', 'driver', typed], { cwd: folder, encoding: 'utf8' })
    const [, found = ''] = said.split('\0')
    check(t, typed, found, offered, not)
  }
})

function check(t: Test, typed: string, said: string, offered: readonly string[], not: readonly string[]) {
  const words = new Set(stripVTControlCharacters(said).split(/\s+/))
  for (const word of offered) t.ok(words.has(word), `"${typed}" offers ${word}`, { said })
  for (const word of not) t.notOk(words.has(word), `"${typed}" does not offer ${word}`, { said })
}

t.test('the man page', async (t) => {
  const page = execFileSync(node, [main, 'man'], { encoding: 'utf8' })
  for (const { path } of loaded) t.ok(page.includes(`pooldns ${path.replaceAll('-', '\\-')}`), path)
  const file = join(t.testdir({ 'pooldns.1': page }), 'pooldns.1')
  await t.test('mandoc', { skip: missingPrograms('mandoc') }, async (t) => {
    const { stdout } = spawnSync('mandoc', ['-T', 'lint', '-W', 'warning', file], { encoding: 'utf8' })
    t.equal(stdout.replaceAll(/.*missing date.*\n/g, ''), '')
  })
  await t.test('groff', { skip: missingPrograms('groff') }, async (t) => {
    const options = ['-man', '-Tutf8', '-ww', '-z', file]
    const { status, stderr } = spawnSync(findProgram('groff')!, options, { encoding: 'utf8' })
    t.match({ status, stderr }, { status: 0, stderr: '' })
  })
  await t.test('man', { skip: missingPrograms('man') }, async (t) => {
    const env = { ...process.env, MANWIDTH: '100', MANPAGER: 'cat', LC_ALL: 'C.UTF-8' }
    const text = execFileSync('man', ['-l', file], { encoding: 'utf8', env })
    t.match(text, /pooldns explain NAME \[TYPE\] \[OPTION\.\.\.\]/)
  })
})
