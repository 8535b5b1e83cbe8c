/** All commands, loaded, for what is made of all of them: the man page, completion, the documentation. */
import { type Command, isGroup, type ListedCommand } from './command.ts'

export interface LoadedCommand {
  /** `token create` */
  readonly path: string
  readonly summary: string
  readonly command: Command
}

/** Those of a group stand for it. */
export async function loadAll(listed: readonly ListedCommand[], before = ''): Promise<LoadedCommand[]> {
  const loaded: LoadedCommand[] = []
  for (const { name, summary, load } of listed) {
    const command = await load()
    const path = before + name
    if (isGroup(command)) loaded.push(...(await loadAll(command.commands, `${path} `)))
    else loaded.push({ path, summary, command })
  }
  return loaded
}
