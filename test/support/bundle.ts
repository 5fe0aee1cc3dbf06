import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { rolldown } from 'rolldown'

const project = join(import.meta.dirname, '../..')

/** A change of the sources: in these files, a text becomes another one. */
export type SourceChange = { file: string; from: string; to: string }

/**
 * A Worker as one module, made of this project's sources.
 *
 * @param entry a path in the project.
 * @throws Error when a change does not find its text exactly once.
 */
export async function bundle(entry: string, changes: readonly SourceChange[] = []): Promise<string> {
  const build = await rolldown({
    input: join(project, entry),
    platform: 'neutral',
    logLevel: 'warn',
    resolve: {
      conditionNames: ['workerd', 'worker', 'browser', 'import'],
      mainFields: ['browser', 'module', 'main'],
    },
    external: [/^node:/, /^cloudflare:/],
    plugins: changes.length === 0 ? [] : [changing(changes)],
  })
  const { output } = await build.generate({ format: 'esm', codeSplitting: false })
  await build.close()
  return output[0].code
}

const changing = (changes: readonly SourceChange[]) => ({
  name: 'source-changes',
  load: {
    filter: { id: changes.map(({ file }) => join(project, file)) },
    async handler(id: string) {
      let source = await readFile(id, 'utf8')
      for (const { file, from, to } of changes) {
        if (join(project, file) !== id) continue
        if (source.split(from).length !== 2) throw new Error(`${file} has not once ${from}`)
        source = source.replace(from, () => to)
      }
      return { code: source, moduleType: 'ts' as const }
    },
  },
})
