import { PGlite } from '@electric-sql/pglite'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'

const project = join(import.meta.dirname, '../../..')
const packageFile = join(project, 'node_modules/@electric-sql/pglite/package.json')

/**
 * The files of an empty database, which take PGlite most of its start to make: they are kept in `node_modules` for the
 * next one.
 */
export async function initializedFiles(): Promise<Blob> {
  const { version } = z.object({ version: z.string() }).parse(JSON.parse(await readFile(packageFile, 'utf8')))
  const kept = join(project, `node_modules/.cache/rounds/pglite-${version}.tar`)
  try {
    return new Blob([await readFile(kept)])
  } catch {
    const made = await initialize()
    // Whole or not at all: several may start at once. What cannot be kept is made again.
    await keep(kept, made).catch(() => {})
    return made
  }
}

async function initialize(): Promise<Blob> {
  const db = await PGlite.create()
  const files = await db.dumpDataDir('none')
  await db.close()
  return files
}

async function keep(file: string, files: Blob): Promise<void> {
  const unfinished = `${file}.${process.pid}`
  await mkdir(dirname(file), { recursive: true })
  await writeFile(unfinished, Buffer.from(await files.arrayBuffer()))
  await rename(unfinished, file)
}
