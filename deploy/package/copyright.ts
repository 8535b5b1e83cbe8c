/** Debian's machine-readable copyright file (DEP 5): of the program, of its Node, and of each dependency that is packed with it. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { filesBelow } from './packaged.ts'
import type { StagedProgram } from './program.ts'

const head = `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: pooldns

Files: *
Copyright: the authors of pooldns
License: Apache-2.0
 On Debian systems, the text of the Apache License, version 2.0, is in
 /usr/share/common-licenses/Apache-2.0.
`

export function copyright({ folder, nodeLicence }: StagedProgram): string {
  const node = `Files: usr/lib/pooldns/bin/node
Copyright: Node.js contributors, and others whom the text names
License: Node.js-and-what-is-built-into-it
${indented(readFileSync(nodeLicence, 'utf8'))}
`
  return [head, node, ...packageFolders(folder).map((path) => stanza(folder, path))].join('\n')
}

/** Folders of packages below node_modules, in order. */
function packageFolders(folder: string): string[] {
  return filesBelow(folder)
    .filter((path) => /(^|\/)node_modules\/(@[^/]+\/)?[^/]+\/package\.json$/.test(path))
    .map((path) => dirname(path))
}

function stanza(folder: string, path: string): string {
  const about = JSON.parse(readFileSync(join(folder, path, 'package.json'), 'utf8'))
  const licence = typeof about.license === 'string' ? about.license : (about.license?.type ?? 'see-the-text')
  const text = licenceText(join(folder, path))
  const said = text === null ? ' The package names the licence and has no text of it.' : terms(text)
  // A name of its own for each: texts differ by who holds the copyright.
  const name = `${licence.replaceAll(/[^A-Za-z0-9.+-]+/g, '-')}_${about.name.replaceAll(/[^A-Za-z0-9.+-]+/g, '-')}`
  return `Files: usr/lib/pooldns/${path}/*
Copyright: ${holders(about, text)}
License: ${name}
${said}
`
}

/** Debian has the text of this one, whose copies are as long as all others together. */
const terms = (text: string) =>
  /apache license\s+version 2\.0/i.test(text)
    ? ' On Debian systems, the text of the Apache License, version 2.0, is in\n /usr/share/common-licenses/Apache-2.0.'
    : indented(text)

function licenceText(folder: string): string | null {
  const name = readdirSync(folder).find((name) => /^(licen[cs]e|copying)(\.(md|txt))?$/i.test(name))
  if (name === undefined || !existsSync(join(folder, name))) return null
  return readFileSync(join(folder, name), 'utf8')
}

function holders(about: { name: string; author?: string | { name?: string } }, text: string | null): string {
  const stated = text?.split('\n').map((line) => /^\s*(copyright (?:\(c\)|©|\d).*)$/i.exec(line)?.[1]?.trim())
  const lines = [...new Set(stated?.filter((line) => line !== undefined))]
  if (lines.length > 0) return lines.join('\n ')
  const author = typeof about.author === 'string' ? about.author : about.author?.name
  return author ?? `the authors of ${about.name}`
}

/** As a field goes on: behind a blank, and a full stop for an empty line. */
const indented = (text: string) =>
  text
    .trim()
    .split(/\r?\n/)
    .map((line) => (line.trim() === '' ? ' .' : ` ${line.replaceAll('\f', '').trimEnd()}`))
    .join('\n')
