import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { parseSync, Visitor } from 'rolldown/utils'

export const root = join(import.meta.dirname, '../..')

/** One file of `src`, by its path from there: `http/app.ts`. */
export type SourceFile = {
  path: string
  text: string
  /** What it imports or exports again, types included; files of `src` by their path, packages by their name. */
  imports: string[]
  /** How often it says `any`. */
  anys: number
  comments: string[]
}

/** Every TypeScript file of `src`, parsed. */
export function readSource(): SourceFile[] {
  return readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .toSorted()
    .map((path) => readSourceFile(path))
}

function readSourceFile(path: string): SourceFile {
  const text = readFileSync(join(root, 'src', path), 'utf8')
  const { program, comments, errors } = parseSync(path, text)
  if (errors.length > 0) throw new Error(`${path}: ${errors[0]?.message}`)
  const specifiers: string[] = []
  let anys = 0
  const add = (source: { value: unknown } | null) => {
    if (source !== null) specifiers.push(String(source.value))
  }
  new Visitor({
    ImportDeclaration: ({ source }) => add(source),
    ExportAllDeclaration: ({ source }) => add(source),
    ExportNamedDeclaration: ({ source }) => add(source),
    ImportExpression({ source }) {
      if (source.type !== 'Literal') throw new Error(`${path} imports what no test can know`)
      add(source)
    },
    TSImportType: ({ source }) => add(source),
    TSAnyKeyword() {
      anys += 1
    },
  }).visit(program)
  return {
    path,
    text,
    imports: specifiers.map((specifier) => resolve(path, specifier)),
    anys,
    comments: comments.map(({ value }) => value),
  }
}

const resolve = (from: string, specifier: string) =>
  specifier.startsWith('.') ? relative('.', join(dirname(from), specifier)) : specifier
