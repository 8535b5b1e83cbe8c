import { readFileSync } from 'node:fs'
import t from 'tap'

type Locked = Readonly<{
  dependencies?: Record<string, string>
  optionalDependencies?: Record<string, string>
}>

const read = (): Readonly<Record<string, Locked>> =>
  JSON.parse(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8')).packages

/** Where Node and npm look for a package that another one asks for: in its own folder, then in those above. */
function* placesOf(name: string, asker: string): Generator<string> {
  for (let folder = asker; ; folder = folder.slice(0, Math.max(folder.lastIndexOf('/node_modules/'), 0))) {
    yield `${folder}${folder === '' ? '' : '/'}node_modules/${name}`
    if (folder === '') return
  }
}

// An optional package that the registry did not have when the lockfile was made is left out of it without a word, and
// from then on `npm ci` refuses the lockfile: on a fresh clone nothing starts.
t.test(
  'the lockfile has every package that one of its packages asks for, the optional ones too',
  async (t) => {
    const packages = read()
    const missing = Object.entries(packages).flatMap(([asker, { dependencies, optionalDependencies }]) =>
      Object.keys({ ...dependencies, ...optionalDependencies })
        .filter((name) => [...placesOf(name, asker)].every((place) => packages[place] === undefined))
        .map((name) => `${name}, for ${asker}`),
    )
    t.strictSame(missing, [])
  },
)
