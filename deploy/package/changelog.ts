/** CHANGELOG.md as others want it: notes of one release, and Debian's changelog. */

export interface Release {
  readonly version: string
  /** What stands between its heading and the next, trimmed. */
  readonly notes: string
}

/** The releases of a changelog in the format of keepachangelog.com, the newest first, and what is not released yet as "Unreleased". */
export function releases(changelog: string): Release[] {
  const [, ...parts] = `\n${changelog}`.split(/\n## /)
  return parts.map((part) => {
    const [heading = '', ...lines] = part.split('\n')
    const version = /^\[?([^\]\s]+)\]?/.exec(heading)?.[1]
    if (version === undefined) throw new Error(`CHANGELOG.md: "## ${heading}" names no version`)
    return { version, notes: lines.join('\n').trim() }
  })
}

/**
 * @param version such as 1.2.0
 * @throws Error when the changelog has nothing on it
 */
export function notesOf(changelog: string, version: string): string {
  const found = releases(changelog).find((release) => release.version === version)
  if (found === undefined)
    throw new Error(
      `CHANGELOG.md: no heading "## [${version}]": a release needs one, and what changed below it`,
    )
  if (found.notes === '') throw new Error(`CHANGELOG.md: nothing below "## [${version}]"`)
  return found.notes
}

/** 1.0.0-rc.1 comes before 1.0.0: a tilde says that to dpkg. */
export const debianVersion = (version: string) => version.replace('-', '~')

/** One entry, of this version, for whoever looks where Debian looks; the notes are in CHANGELOG.md beside it. */
export function debianChangelog(
  changelog: string,
  { version, maintainer, sourceDate }: { version: string; maintainer: string; sourceDate: number },
): string {
  const released = releases(changelog).some((release) => release.version === version)
  const date = new Date(sourceDate * 1000).toUTCString().replace('GMT', '+0000')
  const what = released ? 'Release' : 'State between releases'
  return `pooldns (${debianVersion(version)}) stable; urgency=medium

  * ${what} of upstream; CHANGELOG.md.gz tells what changed.

 -- ${maintainer}  ${date}
`
}
