import { describe, expect, test } from 'vitest'
import { readSource } from './source.ts'

const files = readSource()
const paths = new Set(files.map(({ path }) => path))

/** The part of the Worker that a file belongs to: a folder of `src`, or a file that lies directly in it. */
const partOf = (path: string) => path.split('/')[0] ?? path

/** What each part may import, besides itself. */
const allowed: Record<string, readonly string[]> = {
  'errors.ts': [],
  'digest.ts': [],
  'env.ts': ['errors.ts'],
  db: ['errors.ts'],
  workflows: ['db', 'errors.ts'],
  services: ['workflows', 'env.ts', 'errors.ts'],
  engine: ['digest.ts', 'services', 'workflows', 'db', 'env.ts', 'errors.ts'],
  http: ['engine', 'services', 'workflows', 'db', 'env.ts', 'errors.ts'],
  'cron.ts': ['engine', 'services', 'workflows', 'db', 'env.ts', 'errors.ts'],
  'index.ts': ['http', 'cron.ts', 'engine', 'workflows'],
}

const imports = files.flatMap(({ path, imports }) => imports.map((imported) => ({ path, imported })))
const importsOf = (isPackage: RegExp) => imports.filter(({ imported }) => isPackage.test(imported))
const importersOf = (isPackage: RegExp) => importsOf(isPackage).map(({ path }) => path)

describe('the parts of the Worker', () => {
  test('are the ones that the rules below know', () => {
    expect([...new Set(files.map(({ path }) => partOf(path)))].toSorted()).toEqual(
      Object.keys(allowed).toSorted(),
    )
  })

  test('import in one direction only', () => {
    const wrong = imports.filter(({ path, imported }) => {
      if (!paths.has(imported)) return false
      const [from, to] = [partOf(path), partOf(imported)]
      return from !== to && allowed[from]?.includes(to) !== true
    })
    expect(wrong).toEqual([])
  })

  test('import no file that is not there', () => {
    expect(imports.filter(({ imported }) => imported.endsWith('.ts') && !paths.has(imported))).toEqual([])
  })

  test('are put together by index.ts, which nobody imports', () => {
    expect(imports.filter(({ imported }) => imported === 'index.ts')).toEqual([])
  })

  test('hold no two files that import each other, in however many steps', () => {
    expect(cycles()).toEqual([])
  })
})

describe('a library', () => {
  test('is only known to the engine when it is Upstash Workflow or QStash', () => {
    const found = importsOf(/^@upstash\/(workflow|qstash)/)
    expect(new Set(found.map(({ path }) => partOf(path)))).toEqual(new Set(['engine']))
  })

  test('of HTTP or Upstash is not known to the workflows', () => {
    const found = importsOf(/^(hono|@hono|@upstash)(\/|$)/)
    expect(found.filter(({ path }) => partOf(path) === 'workflows')).toEqual([])
    expect(found).not.toEqual([])
  })

  test('of the database or the cache is opened in one file each', () => {
    expect(importersOf(/^@neondatabase\/serverless/)).toEqual(['db/client.ts'])
    expect(importersOf(/^@upstash\/redis/)).toEqual(['services/cache.ts'])
    expect(new Set(importersOf(/^(ai|@ai-sdk\/.+)$/))).toEqual(new Set(['services/ai.ts']))
  })

  test('for tests or for Node alone is not part of the Worker', () => {
    expect(importsOf(/^(node:(?!async_hooks$)|vitest|jose$|pg$|wrangler|miniflare|.*\/test\/)/)).toEqual([])
  })
})

/** Every way back to a file, each once, as the files in the order in which they import each other. */
function cycles(): string[] {
  const next = new Map(files.map(({ path, imports }) => [path, imports.filter((one) => paths.has(one))]))
  const found = new Set<string>()
  const finished = new Set<string>()
  const visit = (path: string, trail: string[]) => {
    const at = trail.indexOf(path)
    if (at >= 0) found.add([...trail.slice(at), path].join(' → '))
    if (at >= 0 || finished.has(path)) return
    for (const imported of next.get(path) ?? []) visit(imported, [...trail, path])
    finished.add(path)
  }
  for (const path of paths) visit(path, [])
  return [...found]
}
