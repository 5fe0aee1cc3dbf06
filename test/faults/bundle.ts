import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { rolldown } from 'rolldown'

const project = join(import.meta.dirname, '../..')

/** A change of the sources: in this file, this text becomes another one. */
export type Mutation = { name: string; file: string; from: string; to: string }

/**
 * The Worker as one module, made of this project's sources.
 *
 * @throws Error when a mutation does not find its text exactly once.
 */
export async function bundle(mutation?: Mutation): Promise<string> {
  const build = await rolldown({
    input: join(import.meta.dirname, 'worker-entry.ts'),
    platform: 'neutral',
    logLevel: 'warn',
    resolve: { conditionNames: ['workerd', 'worker', 'browser', 'import'], mainFields: ['browser', 'module', 'main'] },
    external: [/^node:/, /^cloudflare:/],
    plugins: mutation === undefined ? [] : [mutating(mutation)],
  })
  const { output } = await build.generate({ format: 'esm', codeSplitting: false })
  await build.close()
  return output[0].code
}

const mutating = ({ name, file, from, to }: Mutation) => ({
  name: 'mutation',
  load: {
    filter: { id: new RegExp(`${file.replaceAll('.', String.raw`\.`)}$`) },
    async handler() {
      const source = await readFile(join(project, file), 'utf8')
      if (source.split(from).length !== 2) throw new Error(`${name}: ${file} has not once ${from}`)
      return { code: source.replace(from, to), moduleType: 'ts' as const }
    },
  },
})
